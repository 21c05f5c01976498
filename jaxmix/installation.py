"""What jaxmix's own metadata asks of an installation, and what is there.

Versions come from the metadata of packages, and nothing is imported: what is missing can be said
where importing would fail.
"""

import importlib.metadata
import platform
from typing import NamedTuple

# matplotlib, which is required, requires it.
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

DISTRIBUTION = "jaxmix"


class Need(NamedTuple):
    """One requirement, and the version that is installed."""

    name: str
    requirement: str
    """As pip takes it."""
    version: str | None
    """None where it is missing."""
    met: bool


def version_of(name: str) -> str | None:
    """The installed version of a package; None where there is none."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def needs() -> list[Need]:
    """What jaxmix cannot do without, Python first.

    Raises:
        importlib.metadata.PackageNotFoundError: if jaxmix itself is not installed.
    """
    asked = importlib.metadata.metadata(DISTRIBUTION)["Requires-Python"]
    version = platform.python_version()
    python = Need("python", f"python{asked}", version, _within(SpecifierSet(asked), version))
    return [python, *(_need(requirement) for requirement in _requirements() if _holds(requirement))]


def extras() -> dict[str, list[Need]]:
    """What each extra asks for beyond `needs`, by its name.

    Raises:
        importlib.metadata.PackageNotFoundError: if jaxmix itself is not installed.
    """
    names = importlib.metadata.metadata(DISTRIBUTION).get_all("Provides-Extra") or []
    beyond = [requirement for requirement in _requirements() if not _holds(requirement)]
    return {
        name: [_need(requirement) for requirement in beyond if _holds(requirement, name)]
        for name in names
    }


def _requirements() -> list[Requirement]:
    return [Requirement(text) for text in importlib.metadata.requires(DISTRIBUTION) or ()]


def _holds(requirement: Requirement, extra: str = "") -> bool:
    return requirement.marker is None or requirement.marker.evaluate({"extra": extra})


def _need(requirement: Requirement) -> Need:
    name, version = requirement.name, version_of(requirement.name)
    asked = f"{name}{requirement.specifier}"
    return Need(
        name, asked, version, version is not None and _within(requirement.specifier, version)
    )


def _within(asked: SpecifierSet, version: str) -> bool:
    """Whether a version is in a range; one before its release counts, as for who installed it."""
    return asked.contains(version, prereleases=True)
