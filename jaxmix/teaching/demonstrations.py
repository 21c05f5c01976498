"""What `jaxmix demo` shows of EM: each subject on the lecture's data or on a user's table."""

from collections.abc import Callable
from typing import NamedTuple

from jaxmix import data
from jaxmix.report.demonstration import Demonstration
from jaxmix.suggestions import unknown
from jaxmix.teaching import bounds, clusters, means_only, mixtures

Show = Callable[[data.Table], Demonstration]


class Subject(NamedTuple):
    """A demonstration on a table, and that of the lecture's data."""

    show: Show
    of_the_lecture: Callable[[], Demonstration]


def _on(show: Show, table: Callable[[], data.Table]) -> Subject:
    return Subject(show, lambda: show(table()))


def _faithful(*columns: str) -> data.Table:
    table = data.load("faithful")
    return table.select(columns) if columns else table


SUBJECTS = {
    "em-means": _on(means_only.em_means, lambda: _faithful("eruptions")),
    "em-is-gradient": _on(means_only.em_is_gradient, lambda: _faithful("waiting")),
    "bound": _on(bounds.bound, lambda: _faithful("waiting")),
    "em": _on(mixtures.em, _faithful),
    "covariances": _on(mixtures.covariances, _faithful),
    "hard": _on(clusters.hard, _faithful),
    "starts": _on(clusters.starts, lambda: data.comparison_set()[0]),
    "kmeans-or-mixture": Subject(
        lambda table: clusters.kmeans_or_mixture({table.name: table}),
        lambda: clusters.kmeans_or_mixture(clusters.misleading_sets()),
    ),
}
"""Demonstrations by the names that the command line gives them."""


def demonstrate(subject: str, table: data.Table | None = None) -> Demonstration:
    """A demonstration of EM by name, on the lecture's data or on another table.

    Args:
        subject: a name in `SUBJECTS`.
        table: data; the lecture's when left out. Subjects of one column take the first.

    Returns:
        Tables, and a picture where there is one.

    Raises:
        ValueError: for an unknown subject, or data that it cannot use.

    Examples:
        >>> demonstrate("em-means").parts[0].columns[:3]
        ('iteration', 'mean 1', 'mean 2')
    """
    if subject not in SUBJECTS:
        raise unknown("subject", subject, SUBJECTS)
    chosen = SUBJECTS[subject]
    return chosen.of_the_lecture() if table is None else chosen.show(table)
