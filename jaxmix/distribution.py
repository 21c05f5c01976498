"""What a mixture says of its columns: moments, marginal and conditional mixtures.

A Gaussian mixture stays one, in the same covariance structure, when some columns are left out or
known: notes/missing-data.md, eq. 6 to 8.
"""

import operator
from functools import partial
from typing import Any, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float

from jaxmix.families import Family
from jaxmix.inputs import as_matrix, check_possible
from jaxmix.numerics import logsumexp
from jaxmix.precision import to_jax

Same = TypeVar("Same", bound="Distribution")

IMPOSSIBLE = "the mixture: no component can have given it"
"""Why a row has probability 0, as `check_possible` says it."""


class Distribution(eqx.Module):
    """A mixture as the distribution of a row, whose columns can be looked at apart."""

    log_weights: eqx.AbstractVar[Float[Array, " k"]]
    family: eqx.AbstractVar[Family]

    @property
    def mean(self) -> Float[Array, "*batch d"]:
        r"""Mean of the whole mixture, $\sum_k w_k \mu_k$, of each one where several are stacked."""
        return self._moments()[0]

    @property
    def covariance(self) -> Float[Array, "*batch d d"]:
        r"""Covariance of the whole mixture, within and between its components.

        $\sum_k w_k (\Sigma_k + (\mu_k - \mu)(\mu_k - \mu)^\top)$ with $\mu$ its `mean`.
        """
        return self._moments()[1]

    @jax.jit
    def _moments(self) -> tuple[Float[Array, "*batch d"], Float[Array, "*batch d d"]]:
        moments = _overall
        for _ in range(self.log_weights.ndim - 1):
            moments = jax.vmap(moments)
        return moments(self)

    def marginal(self: Same, columns: Any) -> Same:
        r"""The mixture of some columns, whatever the values of the others.

        Weights stay; means and covariances lose the other columns, and keep their structure.

        Args:
            columns: column numbers in the order wanted, counted from 0, or from the end if
                negative.

        Returns:
            The mixture of these columns.

        Raises:
            ValueError, TypeError: for column numbers that are out of range, not whole, or twice.

        Examples:
            >>> import jaxmix as jm
            >>> mixture = jm.gaussian_mixture([1.0], [[1.0, 2.0]], [[[4.0, 1.0], [1.0, 9.0]]])
            >>> mixture.marginal([-1]).means.tolist()
            [[2.0]]

        Source: notes/missing-data.md, eq. 6.
        """
        return self._marginal(self._column_numbers(columns))

    @partial(jax.jit, static_argnums=1)
    def _marginal(self: Same, columns: tuple[int, ...]) -> Same:
        return type(self)(self.log_weights, self.family.marginal(columns))

    def condition(self: Same, columns: Any, values: Any) -> Same:
        r"""The mixture of the remaining columns, given the values of these.

        $p(y \mid v) = \sum_k r_k(v)\, p_k(y \mid v)$: weights become the posterior probabilities
        of the components given the values, components their conditionals. Regression on columns
        is one line, `mixture.condition([0], x).mean`; where each row knows other columns, or rows
        are so many that a mixture for each fills the memory, `mixture.complete` takes NaN in the
        places to predict.

        Args:
            columns: numbers of the c known columns, as `marginal` takes them.
            values: of these columns in their order and units: one row [c], or m rows [m c]. May be
                differentiated, mapped and compiled.

        Returns:
            The mixture of the other columns, in their order. For m rows, m mixtures stacked along
            a leading axis, as a recorded path: weights [m k], mean [m d-c]. `jax.vmap` maps the
            other methods over them.

        Raises:
            ValueError, TypeError: for columns that `marginal` refuses, if no column remains, and
                for values that are not finite, of another shape, none that a family gives, or of
                probability 0.

        Examples:
            >>> import jaxmix as jm
            >>> mixture = jm.gaussian_mixture([1.0], [[0.0, 0.0]], [[[1.0, 0.5], [0.5, 1.0]]])
            >>> given = mixture.condition([0], [2.0])
            >>> given.means.tolist(), round(float(given.covariances[0, 0, 0]), 6)
            ([[1.0]], 0.75)
            >>> mixture.condition([0], [[2.0], [4.0]]).mean.tolist()
            [[1.0], [2.0]]

        Source: notes/missing-data.md, eq. 7 and 8.
        """
        known = self._column_numbers(columns)
        if len(known) == self.family.shape[1]:
            raise ValueError("every column is given, so that none remains; condition on fewer")
        values = self._known_values(known, values)
        given, log_prob = self._given(known, values)
        if not isinstance(log_prob, Tracer):
            rows = values.reshape(-1, len(known))
            check_possible(log_prob.reshape(-1), rows, IMPOSSIBLE)
        return given

    @partial(jax.jit, static_argnums=1)
    def _given(
        self: Same, columns: tuple[int, ...], values: Float[Array, "*m c"]
    ) -> tuple[Same, Float[Array, "*m"]]:
        """The mixture given the values, and their log-probability."""
        if values.ndim == 2:
            return jax.vmap(lambda row: self._given(columns, row))(values)
        densities = self.family.marginal(columns).log_prob(values[None])[0]
        joint = self.log_weights + densities
        given = type(self)(jax.nn.log_softmax(joint), self.family.condition(columns, values))
        return given, logsumexp(joint)

    def _known_values(self, columns: tuple[int, ...], values: Any) -> Float[Array, "*m c"]:
        shape, c = np.shape(values), len(columns)
        if len(shape) not in (1, 2) or shape[-1] != c:
            raise ValueError(
                f"values must be one row [{c}] or rows [m {c}], a number for each column given, "
                f"got shape {shape}"
            )
        if isinstance(values, Tracer):
            return values.astype(self.log_weights.dtype)
        rows = as_matrix([values] if len(shape) == 1 else values, "values")[0]
        self.family.marginal(columns).check(rows, tuple(f"x{column + 1}" for column in columns))
        return to_jax(rows.reshape(shape)).astype(self.log_weights.dtype)

    def _column_numbers(self, columns: Any) -> tuple[int, ...]:
        """Checked column numbers, counted from 0."""
        if isinstance(columns, str) or not np.iterable(columns):
            raise TypeError(f"expected a list of column numbers such as [0, 2], got {columns!r}")
        d = self.family.shape[1]
        numbers = tuple(_column_number(column, d) for column in columns)
        if not numbers:
            raise ValueError(f"columns must name at least one of the {d} columns, got none")
        for number in numbers:
            if numbers.count(number) > 1:
                raise ValueError(f"each column may be named once, got column {number} twice")
        return numbers


def _overall(mixture: Distribution) -> tuple[Float[Array, " d"], Float[Array, "d d"]]:
    weights, (means, covariances) = jnp.exp(mixture.log_weights), mixture.family.moments
    mean = weights @ means
    offsets = means - mean
    between = (offsets * weights[:, None]).T @ offsets
    return mean, jnp.einsum("k,kij->ij", weights, covariances) + between


def _column_number(column: Any, d: int) -> int:
    try:
        number = None if isinstance(column, bool) else operator.index(column)
    except TypeError:
        number = None
    if number is None:
        raise TypeError(f"columns must be whole numbers, got {column!r}")
    if not -d <= number < d:
        raise ValueError(f"column {number} is out of range: the mixture has columns 0 to {d - 1}")
    return number % d
