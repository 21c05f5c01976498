"""Which code a run uses, and the hash of each module of it: what names a run's folder.

A run is the same as long as the modules that it imports are, so that editing one method does not
repeat the runs of others. Source is read, never run (`jaxmix.race.syntax`). A package's `__init__`
that only names what its modules define is looked through, to the module that defines a name;
its modules that change imported objects, as registers do, are part of all that use the package.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache, partial
from pathlib import Path

from jaxmix.race.names import EVERYTHING, End, Meaning, Names, is_package, reach
from jaxmix.race.syntax import Part, digest
from jaxmix.suggestions import unknown

PACKAGE = Path(__file__).resolve().parents[1]
"""The package whose modules are known by dotted names."""


def code_hashes(roots: Sequence[str | Path], folder: str | Path | None = None) -> dict[str, str]:
    """Hash the code that some modules run: their own, and all that they import of ours or theirs.

    A hash is of a module's syntax tree (`jaxmix.race.syntax.dump`) and of what the names that it
    imports stand for; comments, docstrings and layout do not count. What is imported in a function
    counts, what only type checkers see does not, nor do other packages. Of a package a module
    needs what it names. Where only running the code could tell what that is (`import *`,
    `getattr`, a package as an argument), it needs everything. Modules that are imported by a
    computed name, or read as data, are not seen.

    Args:
        roots: dotted names of this package's modules ("jaxmix.methods.em"), and Python files of
            users, ending in .py, absolute or relative to `folder`.
        folder: the study's folder. Modules in it, and beside those files, are followed.

    Returns:
        sha256 by name, sorted: dotted names of this package's modules, and for users' files the
        path relative to `folder`, with slashes.

    Raises:
        ValueError: if a module or file does not exist, a file lies outside of `folder` or is not
            valid Python.

    Example:
        >>> list(code_hashes(["jaxmix.suggestions"]))
        ['jaxmix.suggestions']
    """
    home = None if folder is None else Path(folder).resolve()
    files = {root: _user_file(root, home) for root in roots if str(root).endswith(".py")}
    places = [] if home is None else [home, *(file.parent for file in files.values())]
    names = Names(PACKAGE, home, tuple(dict.fromkeys(places)))
    return _hashes(names, [files.get(root) or _module(root, names) for root in roots])


def changed(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Say which code differs between two results of `code_hashes`.

    Args:
        before: hashes by name.
        now: those of a later time.

    Returns:
        One line a difference, sorted by name.

    Example:
        >>> changed({"jaxmix.loop": "5f", "old.py": "0a"}, {"jaxmix.loop": "c1", "new.py": "77"})
        ['jaxmix.loop changed', 'new.py added', 'old.py removed']
    """
    differ = [name for name in sorted({*before, *now}) if before.get(name) != now.get(name)]
    verbs = ["added" if n not in before else "changed" if n in now else "removed" for n in differ]
    return [f"{name} {verb}" for name, verb in zip(differ, verbs, strict=True)]


def _module(root: str | Path, names: Names) -> Path:
    name = str(root)
    if name.split(".")[0] == PACKAGE.name and (found := names.find(PACKAGE, 0, name)):
        return found[0]
    raise unknown("module", name, sorted(map(names.label, PACKAGE.rglob("*.py"))))


def _user_file(root: str | Path, folder: Path | None) -> Path:
    if folder is None:
        raise ValueError(f"{root} needs the study's folder: code_hashes(roots, folder=...)")
    path = folder / root
    path = path.parent.resolve() / path.name
    if not path.is_file():
        raise ValueError(f"there is no file {path}")
    if not path.is_relative_to(folder):
        raise ValueError(f"{path} lies outside of the study's folder {folder}; move it there")
    return path


def _hashes(names: Names, roots: Iterable[Path]) -> dict[str, str]:
    """Follow all that some modules need, and hash the modules that have code of their own."""
    needs = cache(partial(_needs, names))
    waiting = [key for root in roots for key in _loads(names, End(root, EVERYTHING))]
    done: set[tuple[Path, str]] = set()
    while waiting:
        key = waiting.pop()
        if key not in done:
            done.add(key)
            waiting += (key for _, end in needs(*key) for key in _loads(names, end))
    found = {}
    for module in {module for module, _ in done if module.suffix == ".py"}:
        if (module, EVERYTHING) in done:
            parts, meanings = names.read(module).parts, needs(module, EVERYTHING)
        elif parts := _own(names, module):
            meanings = [one for part in parts for one in _meanings(names, module, part)]
        else:
            continue
        said = {f"{text}: {names.label(end.module)} {end.name}" for text, end in meanings}
        found[names.label(module)] = digest([*(part.digest for part in parts), *sorted(said)])
    return dict(sorted(found.items()))


def _loads(names: Names, end: End) -> Iterator[tuple[Path, str]]:
    """The modules that are loaded for a name, with what each must have for it."""
    for module, name in [(end.module, end.name), *((one, "") for one in end.through)]:
        yield module, name if is_package(module) else EVERYTHING
        yield from ((init, "") for init in names.inits(module))


def _needs(names: Names, module: Path, name: str) -> set[Meaning]:
    """What must be there for a name of a module, all of them, or none, so that it loads."""
    if module.suffix != ".py":
        return set()
    syntax = names.read(module)
    if not is_package(module):
        return set(names.resolve(module, syntax.imports, syntax.uses))
    found = set(_passed_on(names, module)) if name == EVERYTHING else set[Meaning]()
    for part in syntax.parts:
        effect = part.kind == "effect" and part not in names.lazy(module)
        if effect or name == EVERYTHING or name in part.defines:
            found.update(_meanings(names, module, part))
        elif part.kind == "import":
            found.update(_run_along(names, module, part))
    return found


def _run_along(names: Names, init: Path, part: Part) -> Iterator[Meaning]:
    """What an `__init__` imports that is not passed on alone, but changes what others see."""
    for one in part.imports:
        hidden = one.bound[:1] in ("", "_")
        for end in names.ends(init, one):
            if hidden or is_package(end.module) or names.acts(end.module):
                yield one.name, end if hidden else End(end.module, "")


def _passed_on(names: Names, init: Path) -> Iterator[Meaning]:
    """All that an `__init__` can load, and all that packages among it can."""
    for one in names.read(init).imports:
        for end in names.ends(init, one):
            yield one.name, end._replace(name=end.name or EVERYTHING)
    for text in {text for part in names.lazy(init) for text in part.strings}:
        for module in names.find(init, 1, text):
            yield text, End(module, EVERYTHING)


def _meanings(names: Names, init: Path, part: Part) -> Iterator[Meaning]:
    """What the names stand for that a statement of an `__init__` imports or uses."""
    yield from names.resolve(init, part.imports, part.uses)
    for other in names.read(init).parts:
        used = other.defines & {*part.uses, EVERYTHING} if other is not part else ()
        imports = [one for one in other.imports if one.bound in used]
        yield from names.resolve(init, imports, part.uses)
        if other.kind != "import":
            yield from ((name, End(init, name)) for name in used)


def _own(names: Names, init: Path) -> list[Part]:
    """The statements of an `__init__` that do more than pass on names of other modules."""
    parts, lazy = names.read(init).parts, names.lazy(init)
    mine = [part for part in parts if part.kind != "import" or _is_foreign(names, init, part)]
    return reach([p for p in mine if p.kind != "import" and p not in lazy], mine)


def _is_foreign(names: Names, init: Path, part: Part) -> bool:
    found = (names.find(init, one.level, one.module) for one in part.imports)
    return bool(part.imports) and not any(found)
