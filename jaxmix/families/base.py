"""What a family is: k components of one kind, as one module of arrays.

An exponential family states its features phi(x), its natural parameters (one row a component), its
M-step from expected sufficient statistics, and its unconstrained coordinates; the one pass, EM and
the gradient methods need nothing else. notes/em.md, eq. 3 to 7, derives the interface.
"""

from abc import abstractmethod
from collections.abc import Callable
from typing import Any

import equinox as eqx
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from jaxmix.linalg import product
from jaxmix.moments import Survey
from jaxmix.prior import Penalty

Coordinates = dict[str, Array]
Features = Callable[[Float[Array, "d rows"]], Float[Array, "f rows"]]
Expectation = tuple[Float[Array, "k rows"], Callable[[Float[Array, "k rows"]], Float[Array, "k f"]]]
"""Log-densities of a block under each component, and the statistics of given responsibilities."""


def linear_expectation(
    features: Features, table: Float[Array, "k f"], x: Float[Array, "d rows"]
) -> Expectation:
    """The expectation of a block by features that all components share."""
    phi = features(x)

    def statistics(shares: Float[Array, "k rows"]) -> Float[Array, "k f"]:
        # Features as rows of the product: the faster of its two orders on CPUs.
        return product(phi, shares.T).T

    return product(table, phi), statistics


def other_columns(columns: tuple[int, ...], d: int) -> tuple[int, ...]:
    """The columns of d that are not among these, in ascending order."""
    return tuple(column for column in range(d) if column not in columns)


class Incomplete(eqx.Module):
    """Features of rows with missing entries (NaN), known by their conditional expectations."""

    @abstractmethod
    def expect(self, table: Float[Array, "k f"], x: Float[Array, "d rows"]) -> Expectation:
        """Log-densities of what is observed, and expected features as statistics."""

    @abstractmethod
    def complete(
        self, table: Float[Array, "k f"], x: Float[Array, "d rows"]
    ) -> Float[Array, "k d rows"]:
        """The rows with the conditional means of each component in missing places."""


class Recentered(eqx.Module):
    """Features of rows less an origin of each component's own."""

    @abstractmethod
    def expect(
        self, table: Float[Array, "k f"], origins: Float[Array, "k d"], x: Float[Array, "d rows"]
    ) -> Expectation:
        """Log-densities, and statistics in features of x - origin; the table is theirs too."""


class Family(eqx.Module):
    """A batch of k components of one kind, with d columns each.

    A new family is one new file with one subclass; no other module needs to know it.
    """

    @property
    @abstractmethod
    def name(self) -> str:
        """What a user calls the family."""

    @property
    @abstractmethod
    def parts(self) -> tuple[str, ...]:
        """Names of the parameters; `fixed` and coordinates use them."""

    @abstractmethod
    def part(self, name: str) -> Float[Array, "..."]:
        """The parameters of this name, as users write them."""

    @property
    @abstractmethod
    def shape(self) -> tuple[int, int]:
        """Numbers of components and of columns, (k, d)."""

    @property
    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """What, beside k, d and arrays, tells the family from others of its name, as JSON holds it.

        `families.BLANKS` makes the same kind of family of it when a saved mixture is loaded.
        """

    @property
    @abstractmethod
    def sizes(self) -> dict[str, int]:
        """Free parameters of each part, all components together."""

    @property
    def num_parameters(self) -> int:
        """Free parameters of all parts together."""
        return sum(self.sizes.values())

    @property
    @abstractmethod
    def centered(self) -> bool | tuple[bool, ...]:
        """Whether the family knows data with another origin: for all columns, or for each."""

    @abstractmethod
    def check(self, x: np.ndarray, columns: tuple[str, ...]) -> None:
        """Raise ValueError where a row lies outside the family's support."""

    @abstractmethod
    def check_spread(self, seen: Survey, columns: tuple[str, ...], fixed: tuple[str, ...]) -> None:
        """Raise ValueError where rows within the support leave no component a density."""

    @abstractmethod
    def check_prior_mean(self, mean: np.ndarray) -> None:
        """Raise ValueError where no pseudo-observations can have this mean [d]."""

    @property
    @abstractmethod
    def at_boundary(self) -> Bool[Array, ""]:
        """Whether a parameter has no coordinates, on the boundary of its range."""

    @abstractmethod
    def embed(self, x: Float[Array, "n d"]) -> Float[Array, "n e"]:
        """Rows as points whose distances say how much alike two rows are, for seeding."""

    @abstractmethod
    def about(
        self, points: Float[Array, "k d"], mean: Float[Array, " d"], spread: Float[Array, "d d"]
    ) -> "Family":
        """Components about these points, where all the data have this mean and the spread."""

    @property
    @abstractmethod
    def features(self) -> Features:
        """The map x [d rows] -> phi(x) [f rows], hashable, whose last feature is 1."""

    @property
    @abstractmethod
    def incomplete(self) -> Incomplete | None:
        """What takes the features' place where entries are missing; None if none may be."""

    def require_incomplete(self) -> Incomplete:
        """`incomplete`; ValueError where no entry may be missing."""
        if self.incomplete is None:
            raise ValueError(
                f"{self.name} components take no missing entries; leave such rows or columns out"
            )
        return self.incomplete

    @property
    @abstractmethod
    def recentered(self) -> Recentered | None:
        """What takes the features' place where they lose digits; None if they never do."""

    @property
    @abstractmethod
    def origins(self) -> Float[Array, "k d"]:
        """From where each component is seen best: its mean, or 0 in columns without an origin."""

    @abstractmethod
    def cancellation(self, natural: Float[Array, "k f"]) -> Float[Array, " k"]:
        """Nats that cancel in each component's log-densities because the origin is far from it."""

    @abstractmethod
    def log_prob(self, x: Float[Array, "n d"]) -> Float[Array, "n k"]:
        """Log-density of every row under every component, to full accuracy."""

    @abstractmethod
    def natural(self, ridge: Float[Array, ""]) -> Float[Array, "k f"]:
        """Natural parameters W: W phi(x) is the log-density less the ridge's penalty."""

    @property
    @abstractmethod
    def expected_features(self) -> Float[Array, "k f"]:
        """Expectations of the features under each component, of which `maximize` makes it again."""

    @abstractmethod
    def maximize(
        self, statistics: Float[Array, "k f"], penalty: Penalty, fixed: tuple[str, ...]
    ) -> "Family":
        """The M-step: the components that maximize <statistics, natural> + log_penalty."""

    @abstractmethod
    def divergence(
        self, new: "Family", counts: Float[Array, " k"], penalty: Penalty
    ) -> Float[Array, ""]:
        """What `new`, an M-step's outcome, gains over `self` in that M-step's own objective."""

    @abstractmethod
    def log_penalty(self, natural: Float[Array, "k f"], penalty: Penalty) -> Float[Array, ""]:
        """The prior's part of the objective, of components with these natural parameters."""

    @abstractmethod
    def jeffreys(self, other: "Family") -> Float[np.ndarray, "k m"]:
        """Jeffreys' divergence of every component from every one of the other's, in nats."""

    @abstractmethod
    def collapsed(
        self, pooled: Float[Array, "d d"], floor: Float[Array, "d d"], fixed: tuple[str, ...]
    ) -> Bool[Array, ""]:
        """Whether a free component has shrunk far below the data's covariance, or to the floor."""

    @abstractmethod
    def minimum_count(self, penalty: Penalty, fixed: tuple[str, ...]) -> Float[Array, ""]:
        """The soft count below which a component is degenerate."""

    @abstractmethod
    def unconstrain(self) -> Coordinates:
        """Real coordinates of every part, without constraints."""

    @abstractmethod
    def constrain(self, coordinates: Coordinates) -> "Family":
        """The family at these coordinates; parts that are absent keep their present values."""

    @abstractmethod
    def translate(self, shift: Float[Array, "*k d"]) -> "Family":
        """The family of x + shift, where x follows this one; a shift for all, or for each."""

    @abstractmethod
    def affine(self, scale: Float[Array, "..."], shift: Float[Array, " d"]) -> "Family":
        """The family of scale x + shift, where x follows this one."""

    @abstractmethod
    def take(self, order: Int[Array, " m"]) -> "Family":
        """Components in another order, or some of them."""

    @property
    @abstractmethod
    def moments(self) -> tuple[Float[Array, "k d"], Float[Array, "k d d"]]:
        """Mean and covariance of every component; ValueError where values are not numbers."""

    @abstractmethod
    def marginal(self, columns: tuple[int, ...]) -> "Family":
        """The components in these columns alone, in this order; columns are checked, 0 to d-1."""

    @abstractmethod
    def condition(self, columns: tuple[int, ...], values: Float[Array, " c"]) -> "Family":
        """The components in the other columns, in ascending order, given one row's values of these.

        The values' own densities, which weigh the components, are those of `marginal(columns)`.
        """

    @abstractmethod
    def draw(self, key: PRNGKeyArray, labels: Int[Array, " n"]) -> Float[Array, "n d"]:
        """One observation from the component that each label names."""

    @abstractmethod
    def describe(self, columns: tuple[str, ...]) -> list[dict[str, float]]:
        """One row of named numbers a component, for tables."""
