"""Python files of users, named on the command line: run once, with a line for what goes wrong."""

import importlib.util
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any


def defined_in(file: str, is_wanted: Callable[[Any], bool]) -> dict[str, Any]:
    """Run a user's file, and take what it defines itself and does not import.

    Args:
        file: path of the file.
        is_wanted: says of an object whether it is of the wanted kind.

    Returns:
        The objects of that kind by name.

    Raises:
        ValueError: as `run_file`.
    """
    module = run_file(file)
    return {
        name: value
        for name, value in vars(module).items()
        if is_wanted(value) and value.__module__ == module.__name__
    }


def run_file(file: str) -> ModuleType:
    """Run a user's own Python file as a module, as any program of theirs: it may import its
    neighbors. A file that is as it was when it ran is not run again.

    Args:
        file: path of the file.

    Returns:
        The module, named after the file; a module of that name already imported stays.

    Raises:
        ValueError: if there is no such file, or it does not run.
    """
    path = Path(file)
    if not path.is_file():
        raise ValueError(f"there is no file {file}")
    about = path.stat()
    return _run(file, path.resolve(), about.st_mtime_ns, about.st_size)


@cache
def _run(file: str, path: Path, modified: int, size: int) -> ModuleType:
    specification = importlib.util.spec_from_file_location(path.stem, path)
    if specification is None or specification.loader is None:
        raise ValueError(f"{file} is no Python file; its name must end in .py")
    module = importlib.util.module_from_spec(specification)
    # Dataclasses whose annotations are strings look their module up by its name.
    sys.modules.setdefault(module.__name__, module)
    try:
        with _neighbors(path.parent):
            specification.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        if sys.modules.get(module.__name__) is module:
            del sys.modules[module.__name__]
        raise ValueError(f"{file} does not run: {type(error).__name__}: {error}") from error
    return module


@contextmanager
def _neighbors(folder: Path) -> Iterator[None]:
    """Within it, modules of this folder can be imported; afterwards other folders may have modules
    of the same names."""
    before = set(sys.modules)
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        for name in set(sys.modules) - before:
            if folder in Path(getattr(sys.modules[name], "__file__", None) or "/").parents:
                del sys.modules[name]
