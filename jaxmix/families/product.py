"""Products: each group of columns has a family of its own, independent within a component.

For mixed data, such as measurements beside counts and categories (notes/families.md, eq. 9). Every
method hands its columns to the groups; only the constant feature and the soft counts are shared.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from jaxmix.families.base import (
    Coordinates,
    Family,
    Features,
    Incomplete,
    Recentered,
    other_columns,
)
from jaxmix.families.recentered import Part, RecenteredProduct
from jaxmix.moments import Survey
from jaxmix.prior import Penalty


class Product(Family):
    """k components that are products of the groups' components."""

    families: tuple[Family, ...]
    columns: tuple[tuple[int, ...], ...] = eqx.field(static=True)
    """The columns of each family, as many as it has."""

    @property
    def groups(self) -> dict[str, Family]:
        """The families by name."""
        return {one.name: one for one in self.families}

    @property
    def name(self) -> str:
        return " x ".join(self.groups)

    @property
    def parts(self) -> tuple[str, ...]:
        return tuple(f"{name}.{part}" for name, one in self.groups.items() for part in one.parts)

    def part(self, name: str) -> Float[Array, "..."]:
        group, _, part = name.rpartition(".")
        return self.groups[group].part(part)

    @property
    def shape(self) -> tuple[int, int]:
        k = self.families[0].shape[0]
        return k, sum(len(columns) for columns in self.columns)

    @property
    def settings(self) -> dict[str, Any]:
        families = [[one.name, one.settings] for one in self.families]
        return {"families": families, "columns": [list(mine) for mine in self.columns]}

    @property
    def sizes(self) -> dict[str, int]:
        return _prefixed({name: one.sizes for name, one in self.groups.items()})

    @property
    def centered(self) -> tuple[bool, ...]:
        centered = np.zeros(self.shape[1], bool)
        for one, columns in self._each():
            centered[list(columns)] = one.centered
        return tuple(centered.tolist())

    @property
    def features(self) -> Features:
        return _ProductFeatures(tuple(one.features for one in self.families), self.columns)

    @property
    def recentered(self) -> Recentered | None:
        made = [(one.recentered or one.features, _num_features(one) - 1) for one in self.families]
        if not any(isinstance(features, Recentered) for features, _ in made):
            return None
        given = zip(made, self.columns, strict=True)
        parts = [Part(features, columns, size) for (features, size), columns in given]
        return RecenteredProduct(tuple(parts))

    @property
    def origins(self) -> Float[Array, "k d"]:
        origins = [one.origins for one in self.families]
        return jnp.concatenate(origins, axis=1)[:, self._order()]

    def cancellation(self, natural: Float[Array, "k f"]) -> Float[Array, " k"]:
        given = zip(self.families, self._by_group(natural), strict=True)
        lost = [one.cancellation(own) for one, own in given]
        return sum(lost, start=jnp.zeros_like(natural[:, 0]))

    @property
    def incomplete(self) -> Incomplete | None:
        return None

    def _each(self) -> list[tuple[Family, tuple[int, ...]]]:
        return list(zip(self.families, self.columns, strict=True))

    def _mapped(self, change: Callable[..., Family], *given: Any) -> "Product":
        """Every group changed, with what is given it in their order."""
        changed = [change(one, *values) for one, *values in zip(self.families, *given, strict=True)]
        return type(self)(tuple(changed), self.columns)

    def _by_group(self, table: Float[Array, "k f"]) -> list[Float[Array, "k g"]]:
        """Each group's part of statistics or natural parameters, with the shared last column."""
        sizes = [_num_features(one) - 1 for one in self.families]
        bounds = np.cumsum([0, *sizes]).tolist()
        last = table[:, -1:]
        return [jnp.concatenate([table[:, a:b], last], axis=1) for a, b in pairwise(bounds)]

    def check(self, x: np.ndarray, columns: tuple[str, ...]) -> None:
        for one, mine in self._each():
            one.check(x[:, mine], tuple(columns[j] for j in mine))

    def check_spread(self, seen: Survey, columns: tuple[str, ...], fixed: tuple[str, ...]) -> None:
        for one, mine in self._each():
            names = tuple(columns[j] for j in mine)
            one.check_spread(seen.of_columns(mine), names, _within(one.name, fixed))

    def check_prior_mean(self, mean: np.ndarray) -> None:
        for one, mine in self._each():
            one.check_prior_mean(mean[list(mine)])

    @property
    def at_boundary(self) -> Bool[Array, ""]:
        return jnp.any(jnp.array([one.at_boundary for one in self.families]))

    def embed(self, x: Float[Array, "n d"]) -> Float[Array, "n e"]:
        # Groups have no common unit: each is given the same total variance.
        parts = [one.embed(x[:, list(mine)]) for one, mine in self._each()]
        totals = [jnp.sum(jnp.var(part, axis=0)) for part in parts]
        scales = [jnp.sqrt(jnp.where(total > 0, total, 1.0)) for total in totals]
        return jnp.concatenate([a / b for a, b in zip(parts, scales, strict=True)], axis=1)

    def about(
        self, points: Float[Array, "k d"], mean: Float[Array, " d"], spread: Float[Array, "d d"]
    ) -> "Product":
        def moved(one: Family, mine: tuple[int, ...]) -> Family:
            own = list(mine)
            return one.about(points[:, own], mean[jnp.array(own)], spread[np.ix_(own, own)])

        return self._mapped(moved, self.columns)

    def log_prob(self, x: Float[Array, "n d"]) -> Float[Array, "n k"]:
        return sum(
            (one.log_prob(x[:, list(mine)]) for one, mine in self._each()),
            start=jnp.zeros((), x.dtype),
        )

    def natural(self, ridge: Float[Array, ""]) -> Float[Array, "k f"]:
        tables = [one.natural(ridge) for one in self.families]
        constant = sum((table[:, -1:] for table in tables), start=jnp.zeros((), ridge.dtype))
        return jnp.concatenate([*(table[:, :-1] for table in tables), constant], axis=1)

    @property
    def expected_features(self) -> Float[Array, "k f"]:
        tables = [one.expected_features for one in self.families]
        return jnp.concatenate([*(table[:, :-1] for table in tables), tables[0][:, -1:]], axis=1)

    def _penalties(self, penalty: Penalty) -> list[Penalty]:
        return [penalty.of_columns(mine) for mine in self.columns]

    def maximize(
        self, statistics: Float[Array, "k f"], penalty: Penalty, fixed: tuple[str, ...]
    ) -> "Product":
        return self._mapped(
            lambda one, own, penalty: one.maximize(own, penalty, _within(one.name, fixed)),
            self._by_group(statistics),
            self._penalties(penalty),
        )

    def divergence(
        self, new: "Product", counts: Float[Array, " k"], penalty: Penalty
    ) -> Float[Array, ""]:
        given = zip(self.families, new.families, self._penalties(penalty), strict=True)
        gains = [old.divergence(moved, counts, own) for old, moved, own in given]
        return jnp.sum(jnp.array(gains))

    def log_penalty(self, natural: Float[Array, "k f"], penalty: Penalty) -> Float[Array, ""]:
        given = zip(self.families, self._by_group(natural), self._penalties(penalty), strict=True)
        return jnp.sum(jnp.array([one.log_penalty(table, own) for one, table, own in given]))

    def jeffreys(self, other: "Product") -> Float[np.ndarray, "k m"]:
        pairs = zip(self.families, other.families, strict=True)
        return np.sum([one.jeffreys(another) for one, another in pairs], axis=0)

    def collapsed(
        self, pooled: Float[Array, "d d"], floor: Float[Array, "d d"], fixed: tuple[str, ...]
    ) -> Bool[Array, ""]:
        collapsed = []
        for one, mine in self._each():
            own = np.ix_(mine, mine)
            collapsed.append(one.collapsed(pooled[own], floor[own], _within(one.name, fixed)))
        return jnp.any(jnp.array(collapsed))

    def minimum_count(self, penalty: Penalty, fixed: tuple[str, ...]) -> Float[Array, ""]:
        counts = [
            one.minimum_count(own, _within(one.name, fixed))
            for one, own in zip(self.families, self._penalties(penalty), strict=True)
        ]
        return jnp.max(jnp.array(counts))

    def unconstrain(self) -> Coordinates:
        return _prefixed({name: one.unconstrain() for name, one in self.groups.items()})

    def constrain(self, coordinates: Coordinates) -> "Product":
        def moved(one: Family) -> Family:
            parts = _within(one.name, tuple(coordinates))
            return one.constrain({part: coordinates[f"{one.name}.{part}"] for part in parts})

        return self._mapped(moved)

    def translate(self, shift: Float[Array, "*k d"]) -> "Product":
        return self._mapped(
            lambda one, mine: one.translate(shift[..., jnp.array(mine)]), self.columns
        )

    def affine(self, scale: Float[Array, "..."], shift: Float[Array, " d"]) -> "Product":
        raise ValueError("a product of families is not closed under a change of units")

    def take(self, order: Int[Array, " m"]) -> "Product":
        return self._mapped(lambda one: one.take(order))

    @property
    def moments(self) -> tuple[Float[Array, "k d"], Float[Array, "k d d"]]:
        k, d = self.shape
        moments = [one.moments for one in self.families]
        means = jnp.concatenate([mean for mean, _ in moments], axis=1)
        matrices = jnp.zeros((k, d, d), means.dtype)
        for (_, covariances), mine in zip(moments, self.columns, strict=True):
            rows, columns = np.ix_(mine, mine)
            matrices = matrices.at[:, rows, columns].set(covariances)
        return means[:, self._order()], matrices

    def _order(self) -> np.ndarray:
        """Where each column stands among the groups' columns."""
        return np.argsort([column for mine in self.columns for column in mine])

    def marginal(self, columns: tuple[int, ...]) -> Family:
        parts, places = [], []
        for one, mine in self._each():
            wanted = [column for column in columns if column in mine]
            if wanted:
                parts.append(one.marginal(tuple(mine.index(column) for column in wanted)))
                places.append(tuple(columns.index(column) for column in wanted))
        return parts[0] if len(parts) == 1 else type(self)(tuple(parts), tuple(places))

    def condition(self, columns: tuple[int, ...], values: Float[Array, " c"]) -> Family:
        rest = other_columns(columns, self.shape[1])
        parts, places = [], []
        for one, mine in self._each():
            left = sorted(column for column in mine if column in rest)
            if left:
                known = tuple(column for column in columns if column in mine)
                parts.append(_given(one, mine, known, values, columns))
                places.append(tuple(rest.index(column) for column in left))
        return parts[0] if len(parts) == 1 else type(self)(tuple(parts), tuple(places))

    def draw(self, key: PRNGKeyArray, labels: Int[Array, " n"]) -> Float[Array, "n d"]:
        keys = jax.random.split(key, len(self.groups))
        drawn = [one.draw(own, labels) for own, one in zip(keys, self.groups.values(), strict=True)]
        return jnp.concatenate(drawn, axis=1)[:, self._order()]

    def describe(self, columns: tuple[str, ...]) -> list[dict[str, float]]:
        tables = [one.describe(tuple(columns[j] for j in mine)) for one, mine in self._each()]
        return [dict(cell for row in rows for cell in row.items()) for rows in zip(*tables)]


def _prefixed(parts: dict[str, dict[str, Any]]) -> dict[str, Any]:
    return {f"{name}.{part}": value for name, own in parts.items() for part, value in own.items()}


def _within(name: str, parts: tuple[str, ...]) -> tuple[str, ...]:
    """Those parts that belong to the named group, by its own names."""
    return tuple(part.removeprefix(f"{name}.") for part in parts if part.startswith(f"{name}."))


def _given(
    one: Family,
    mine: tuple[int, ...],
    known: tuple[int, ...],
    values: Float[Array, " c"],
    columns: tuple[int, ...],
) -> Family:
    """A group given the values of those of its columns that are known."""
    # Its columns may stand in any order; what is left of them comes in ascending order.
    ascending = tuple(sorted(mine))
    one = one.marginal(tuple(mine.index(column) for column in ascending))
    if not known:
        return one
    own = values[np.array([columns.index(column) for column in known])]
    return one.condition(tuple(ascending.index(column) for column in known), own)


def _num_features(family: Family) -> int:
    return jax.eval_shape(family.natural, jnp.zeros(())).shape[1]


class _ProductFeatures(eqx.Module):
    """The groups' features, and 1 once."""

    features: tuple[Features, ...]
    columns: tuple[tuple[int, ...], ...] = eqx.field(static=True)

    def __call__(self, x: Float[Array, "d rows"]) -> Float[Array, "f rows"]:
        parts = [
            one(x[jnp.array(mine)])[:-1]
            for one, mine in zip(self.features, self.columns, strict=True)
        ]
        return jnp.concatenate([*parts, jnp.ones_like(x[:1])])
