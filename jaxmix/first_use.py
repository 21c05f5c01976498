"""Public names of a package that load their modules on first use (PEP 562).

Importing such a package costs nothing, and a program loads only what it names.
"""

from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from typing import Any


def on_first_use(
    package: str, homes: Mapping[str, Iterable[str]], modules: Iterable[str] = ()
) -> Callable[[str], Any]:
    """The `__getattr__` of a package whose modules wait until one of their names is asked for.

    Args:
        package: its name.
        homes: public names by the module that holds them. No name may be that of a module of the
            package: a module, once imported, takes the place of the name.
        modules: modules that are public themselves.

    Returns:
        A function from a name to what it names; AttributeError for any other name.
    """
    module_of = {name: module for module, names in homes.items() for name in names}
    modules = frozenset(modules)

    def load(name: str) -> Any:
        if name in module_of:
            return getattr(import_module(f"{package}.{module_of[name]}"), name)
        if name in modules:
            return import_module(f"{package}.{name}")
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    return load
