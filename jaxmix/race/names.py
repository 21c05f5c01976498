"""What names in source stand for: modules of the package, or files in a study's folder.

Names are looked up as imports would, in the files, by what `jaxmix.race.syntax` reads there. A
package's `__init__` and its lazy tables are looked through, to the module that defines a name.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

from jaxmix.race.syntax import Chains, Import, Part, Syntax, read

INIT, EVERYTHING = "__init__.py", "*"


class End(NamedTuple):
    """What a name stands for."""

    module: Path
    """A file; a folder where a package has no `__init__`."""

    name: str
    """What of the module: none for the module itself, a star for everything."""

    through: tuple[Path, ...] = ()
    """Modules that passed the name on."""


Meaning = tuple[str, End]
"""A name as it is written, and what it stands for."""

Busy = frozenset[tuple[Path, str]]
"""Names that are being looked up: modules may import each other."""


def is_package(module: Path) -> bool:
    """Whether a module is the `__init__` of a package."""
    return module.name == INIT


def lazy_parts(init: Path) -> list[Part]:
    """The lazy loading of an `__init__` (PEP 562): `__getattr__`, `__all__`, and their tables."""
    parts = read(init).parts
    dunder = [p for p in parts if any(name[:2] == name[-2:] == "__" for name in p.defines)]
    return [
        part
        for part in reach(dunder, parts)
        if part.kind == "import" or all(name.startswith("_") for name in part.defines)
    ]


def reach(start: Iterable[Part], parts: Iterable[Part]) -> list[Part]:
    """The parts, in their order, that some of them use, and those that these use."""
    found = waiting = list(start)
    while waiting:
        used = {name for part in waiting for name in part.uses}
        waiting = [part for part in parts if part.defines & used and part not in found]
        found = found + waiting
    return [part for part in parts if part in found]


class Names:
    """The modules that are followed, and the names in them."""

    def __init__(self, package: Path, folder: Path | None, places: tuple[Path, ...]):
        self.package, self.folder, self.places = package, folder, places
        # Files stay as they are during one call of `code_hashes`.
        self.entries = cache(lambda folder: frozenset(os.listdir(folder)))
        self.read, self.lazy = cache(read), cache(lazy_parts)
        self.label, self.inits = cache(self._label), cache(self._inits)
        self.find, self.look = cache(self._find), cache(self._look)

    def _label(self, module: Path) -> str:
        """The name under which a module is hashed."""
        if not self.is_ours(module):
            return module.relative_to(self.folder or "/").as_posix()
        path = module.parent if is_package(module) else module.with_suffix("")
        return ".".join(path.relative_to(self.package.parent).parts)

    def is_ours(self, module: Path) -> bool:
        """Whether a module is the package's, and no user's."""
        return module.is_relative_to(self.package)

    def acts(self, module: Path) -> bool:
        """Whether a module, when it loads, does something with what it imports."""
        syntax = self.read(module) if module.suffix == ".py" else Syntax((), (), {})
        imported = {one.bound for one in syntax.imports}
        return any(part.kind == "effect" and imported & part.uses.keys() for part in syntax.parts)

    def _inits(self, module: Path) -> list[Path]:
        """The `__init__` of every package around a module, which run before it."""
        top = self.package if self.is_ours(module) else self.folder
        around = [folder for folder in module.parents if top and folder.is_relative_to(top)]
        return [
            folder / INIT
            for folder in around
            if folder != self.folder and INIT in self.entries(folder)
        ]

    def resolve(
        self, file: Path, imports: Iterable[Import], uses: Mapping[str, Chains]
    ) -> Iterator[Meaning]:
        """What imports stand for, and each use of the names that they bind."""
        for one in imports:
            yield from ((f"{one.module}.{one.name}", end) for end in self.ends(file, one))
            for name in uses if one.bound == EVERYTHING else {one.bound} & uses.keys():
                for end in self.ends(file, one, name):
                    for chain in uses[name]:
                        text = f"{one.module}.{one.name}.{name}.{'.'.join(chain)}"
                        yield from ((text, last) for last in self._follow(end, chain))

    def ends(self, file: Path, one: Import, name: str = "", busy: Busy = frozenset()) -> list[End]:
        """What an import stands for, a star's for one name; nothing where it is of others."""
        asked = name if name and one.bound == EVERYTHING else one.name
        found = self.find(file, one.level, one.module)
        if asked in ("", EVERYTHING):
            return [End(module, asked) for module in found]
        return [end for module in found for end in self.look(module, asked, busy)]

    def _follow(self, end: End, chain: tuple[str, ...]) -> list[End]:
        if end.name:
            return [end]
        if not chain:
            # A package that is handed on may be asked for anything that it has.
            return [end._replace(name=EVERYTHING)]
        nexts = self.look(end.module, chain[0])
        return [last for one in nexts for last in self._follow(one, chain[1:])]

    def _look(self, module: Path, name: str, busy: Busy = frozenset()) -> list[End]:
        """What a name of a module stands for; everything where only running it could tell."""
        if module.suffix != ".py":
            return self._beneath(module, name)
        syntax = self.read(module) if (module, name) not in busy else Syntax((), (), {})
        busy |= {(module, name)}
        stars = [
            end
            for one in syntax.imports
            if one.bound == EVERYTHING or (one.bound == name and not is_package(module))
            for end in self.ends(module, one, name, busy)
        ]
        if not is_package(module):
            return [End(module, name), *(end for end in stars if not end.name)]
        ends = [end for part in syntax.parts for end in self._given(module, part, name, busy)]
        ends = ends or [*stars, *self._beneath(module, name), *self._loaded(module, name, busy)]
        return [one._replace(through=(*one.through, module)) for one in ends] or [
            End(module, EVERYTHING)
        ]

    def _given(self, init: Path, part: Part, name: str, busy: Busy) -> list[End]:
        """What a name stands for by one statement of an `__init__`."""
        if name not in part.defines:
            return []
        passing = [one for one in part.imports if one.bound == name and part.kind != "definition"]
        passed_on = [end for one in passing for end in self.ends(init, one, busy=busy)]
        # The version of another package is recorded elsewhere; which name of it, is said here.
        foreign = [End(init, f"{one.module}.{one.name}") for one in passing]
        return passed_on or foreign or [End(init, name)]

    def _beneath(self, package: Path, name: str) -> list[End]:
        found = self._locate(package.parent if is_package(package) else package, (name,))
        return [End(found, "")] if found else []

    def _loaded(self, init: Path, name: str, busy: Busy) -> list[End]:
        """What a lazy table says of a name, whichever of the two is the key."""
        pairs = {pair for part in self.lazy(init) for pair in part.pairs if name in pair}
        homes = {home for pair in pairs for home in pair if home != name}
        found = [end.module for home in sorted(homes) for end in self._beneath(init, home)]
        return [end for module in found for end in self.look(module, name, busy)]

    def _find(self, file: Path, level: int, module: str) -> list[Path]:
        """The files that an import statement in a file may mean by a module."""
        names = tuple(module.split(".")) if module else ()
        if level:
            top = self.package if self.is_ours(file) else self.folder
            folders = [folder for folder in file.parents if top and folder.is_relative_to(top)]
            places = folders[level - 1 : level]
        elif names[:1] == (self.package.name,):
            places = [self.package.parent]
        else:
            # The package imports nothing of users, whatever they call their files.
            places = [] if self.is_ours(file) or not names else self.places
        return [found for place in places if (found := self._locate(place, names))]

    def _locate(self, folder: Path, names: tuple[str, ...]) -> Path | None:
        """The module of a dotted name in a folder, as Python would choose it."""
        found = folder / INIT if INIT in self.entries(folder) else folder
        for name in names:
            place = found.parent if is_package(found) else found
            if place.suffix == ".py":
                return None
            inner, file = place / name, f"{name}.py"
            is_folder = name in self.entries(place) and inner.is_dir()
            if is_folder and INIT in self.entries(inner):
                found = inner / INIT
            elif file in self.entries(place):
                found = place / file
            elif is_folder:
                found = inner
            else:
                return None
        return found
