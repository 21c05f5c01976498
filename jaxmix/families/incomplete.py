r"""Gaussian features of rows with missing entries, known by their conditional expectations.

A component's factor $e^{w^\top\phi(x)}$ is integrated over the entries that are missing, NaN here,
and what its statistics need of them are their conditional moments (notes/missing-data.md, eq. 1 to
4). Structures without correlations need one masked product; matrices need a factor a row.
"""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.scipy.linalg import cho_solve
from jaxtyping import Array, Float

from jaxmix.families.base import Expectation, Incomplete
from jaxmix.families.covariances import Covariances
from jaxmix.linalg import diagonal, pack, unpack


class Columns(NamedTuple):
    """A table of natural parameters, column by column, for structures without correlations."""

    quadratic: Float[Array, "k d"]
    linear: Float[Array, "k d"]
    constant: Float[Array, "k 1"]


class IncompleteColumns(Incomplete):
    """Missing entries of diagonal and spherical components: masked products (eq. 2)."""

    structure: type[Covariances] = eqx.field(static=True)

    def expect(self, table: Float[Array, "k f"], x: Float[Array, "d rows"]) -> Expectation:
        part = self._columns(table, len(x))
        missing, known = _split(x)
        means, variances = _moments(part)
        gains = (jnp.log(2 * jnp.pi * variances) + means * part.linear) / 2
        logits = part.quadratic @ known**2 + part.linear @ known + gains @ missing + part.constant

        def statistics(shares: Float[Array, "k rows"]) -> Float[Array, "k f"]:
            unseen, counts = shares @ missing.T, jnp.sum(shares, axis=1, keepdims=True)
            second = shares @ (known**2).T + unseen * (means**2 + variances)
            packed = self.structure.products(second, jnp.ones_like(second))
            return jnp.concatenate([packed, shares @ known.T + unseen * means, counts], axis=1)

        return logits, statistics

    def complete(
        self, table: Float[Array, "k f"], x: Float[Array, "d rows"]
    ) -> Float[Array, "k d rows"]:
        missing, known = _split(x)
        means, _ = _moments(self._columns(table, len(x)))
        return known + missing * means[:, :, None]

    def _columns(self, table: Float[Array, "k f"], d: int) -> Columns:
        quadratic = jnp.broadcast_to(table[:, : -d - 1], (len(table), d))
        return Columns(quadratic, table[:, -d - 1 : -1], table[:, -1:])


def _moments(part: Columns) -> tuple[Float[Array, "k d"], Float[Array, "k d"]]:
    variances = -0.5 / part.quadratic
    return part.linear * variances, variances


def _split(x: Float[Array, "d rows"]) -> tuple[Float[Array, "d rows"], Float[Array, "d rows"]]:
    """Where entries are missing, as 0 and 1, and the others, with 0 for the missing ones."""
    missing = jnp.isnan(x)
    return missing.astype(x.dtype), jnp.where(missing, 0.0, x)


class Conditional(NamedTuple):
    """A row's log-density under each component, and moments of the row with its missing part."""

    logits: Float[Array, " k"]
    means: Float[Array, "k d"]
    covariances: Float[Array, "k d d"]


class IncompleteMatrices(Incomplete):
    """Missing entries of full and tied components: conditional means and covariances (eq. 3)."""

    def expect(self, table: Float[Array, "k f"], x: Float[Array, "d rows"]) -> Expectation:
        rows = self._conditionals(table, x)

        def statistics(shares: Float[Array, "k rows"]) -> Float[Array, "k f"]:
            counts = jnp.sum(shares, axis=1, keepdims=True)
            sums = jnp.einsum("kr,rki->ki", shares, rows.means)
            outer = jnp.einsum("kr,rki,rkj->kij", shares, rows.means, rows.means)
            second = outer + jnp.einsum("kr,rkij->kij", shares, rows.covariances)
            return jnp.concatenate([pack(second), sums, counts], axis=1)

        return rows.logits.T, statistics

    def complete(
        self, table: Float[Array, "k f"], x: Float[Array, "d rows"]
    ) -> Float[Array, "k d rows"]:
        return jnp.moveaxis(self._conditionals(table, x).means, 0, -1)

    def _conditionals(self, table: Float[Array, "k f"], x: Float[Array, "d rows"]) -> Conditional:
        d = len(x)
        precisions = -unpack(table[:, : -d - 1], d) * (1 + jnp.eye(d, dtype=x.dtype))
        over_components = jax.vmap(_conditional, in_axes=(0, 0, 0, None, None))
        over_rows = jax.vmap(over_components, in_axes=(None, None, None, 1, 1))
        return over_rows(precisions, table[:, -d - 1 : -1], table[:, -1], *_split(x))


def _conditional(
    precision: Float[Array, "d d"],
    linear: Float[Array, " d"],
    constant: Float[Array, ""],
    missing: Float[Array, " d"],
    known: Float[Array, " d"],
) -> Conditional:
    """One row under one component; the identity stands in for the precision of what is known."""
    both = missing[:, None] * missing
    within = both * precision + jnp.diag(1 - missing)
    factor = jnp.linalg.cholesky(within)
    pull = missing * (linear - precision @ known)
    # Solved together, since two calls at one time may wait for each other (linalg.each_matrix).
    asked = jnp.column_stack([pull, jnp.eye(len(known), dtype=known.dtype)])
    solved = cho_solve((factor, True), asked)
    means, covariance = solved[:, 0], both * solved[:, 1:]
    integral = jnp.sum(missing) * jnp.log(2 * jnp.pi) / 2 - jnp.sum(jnp.log(diagonal(factor)))
    logit = constant + linear @ known - known @ precision @ known / 2 + pull @ means / 2 + integral
    return Conditional(logit, known + means, covariance)
