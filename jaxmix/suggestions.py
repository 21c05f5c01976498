"""Names that users misspell: one error for all of them, with a suggestion."""

import difflib
from collections.abc import Iterable
from typing import Any


def suggest(given: Any, known: Iterable[str]) -> str:
    """Ask for the known name closest to a misspelled one.

    Args:
        given: what the user wrote.
        known: the names that exist.

    Returns:
        "did you mean '...'?", or an empty string where nothing is close.

    Example:
        >>> suggest("fulll", ["full", "tied"])
        "did you mean 'full'?"
    """
    by_lower_case = {name.lower(): name for name in known}
    close = difflib.get_close_matches(str(given).lower(), by_lower_case, n=1)
    return f"did you mean {by_lower_case[close[0]]!r}?" if close else ""


def unknown(kind: str, given: Any, known: Iterable[str]) -> ValueError:
    """Build the error for a name that does not exist; the caller raises it.

    Args:
        kind: what the name should have named, such as "family".
        given: what the user wrote.
        known: the names that exist, in the order to list them.

    Returns:
        The error to raise.

    Example:
        >>> print(unknown("family", "fulll", ["full", "tied"]))
        unknown family 'fulll'; did you mean 'full'? Known: full, tied
    """
    known = tuple(known)
    suggestion = suggest(given, known)
    separator = f"; {suggestion} " if suggestion else ". "
    return ValueError(f"unknown {kind} {given!r}{separator}Known: {', '.join(known)}")
