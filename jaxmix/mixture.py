"""Mixture: k log-weights and a family of components; it never asks which family it has.

Densities here are the textbook's, log-sum-exp over components of log-weight plus log-density,
to full accuracy anywhere; the fast form that fits use is in statistics.py (notes/em.md, eq. 1, 2).
"""

from functools import partial
from os import PathLike
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, ArrayLike, Bool, Float, Int

from jaxmix.distribution import IMPOSSIBLE, Distribution
from jaxmix.families import Coordinates, Family
from jaxmix.families.base import Incomplete
from jaxmix.inputs import as_count, as_incomplete, as_matrix, check_possible
from jaxmix.numerics import divergence_terms, logsumexp, softmax
from jaxmix.precision import to_jax
from jaxmix.prior import Penalty
from jaxmix.streams import stream

UNDER_A_MIXTURE = f"{IMPOSSIBLE}; leave it out"


class Mixture(Distribution):
    r"""A mixture density $p(x) = \sum_k w_k\, p_k(x)$.

    Built by `gaussian_mixture`, `initialize`, `m_step` or `fit`; a pytree of arrays.

    Examples:
        >>> import jaxmix as jm
        >>> mixture = jm.gaussian_mixture(
        ...     [0.5, 0.5], [[-2.0], [2.0]], [1.0, 1.0], family="spherical"
        ... )
        >>> mixture.predict([[-1.5], [1.0]]).tolist()
        [0, 1]
    """

    log_weights: Float[Array, " k"]
    family: Family

    @property
    def weights(self) -> Float[Array, "*batch k"]:
        """Mixing proportions, which sum to 1."""
        return jnp.exp(self.log_weights)

    @property
    def means(self) -> Float[Array, "*batch k d"]:
        """Means of the components, in the units of the data."""
        return self._part("means")

    @property
    def covariances(self) -> Float[Array, "..."]:
        """Covariances: full [k d d], tied [d d], diag [k d], spherical [k]."""
        return self._part("covariances")

    @property
    def rates(self) -> Float[Array, "*batch k d"]:
        """Rates of Poisson components."""
        return self._part("rates")

    @property
    def probabilities(self) -> Float[Array, "..."]:
        """Probabilities: Bernoulli [k d], of 1; categorical [k d c], of every level."""
        return self._part("probabilities")

    def _part(self, name: str) -> Any:
        if name not in self.family.parts:
            raise AttributeError(
                f"a {self.family.name} mixture has {', '.join(self.family.parts)}, not {name}"
            )
        return self.family.part(name)

    @property
    def num_components(self) -> int:
        """The number of components k."""
        return self.family.shape[0]

    @property
    def num_parameters(self) -> int:
        """Free parameters: k - 1 weights and those of the components."""
        return self.num_components - 1 + self.family.num_parameters

    def log_prob(self, x: Any) -> Float[Array, " n"]:
        r"""Log-density of every row, $\log \sum_k w_k p_k(x_i)$, in nats.

        Args:
            x: data [n d], or anything that `fit` takes.

        Returns:
            Log-densities [n].
        """
        return logsumexp(self.joint_log_prob(self.rows(x)))

    @jax.jit
    def joint_log_prob(self, x: Float[Array, "n d"]) -> Float[Array, "n k"]:
        """log w_k + log p_k(x_i) for every row and component."""
        return self.log_weights + self.family.log_prob(x)

    def responsibilities(self, x: Any) -> Float[Array, "n k"]:
        r"""Posterior probabilities of the components, $w_k p_k(x_i) / p(x_i)$; rows sum to 1.

        Raises:
            ValueError: for rows of probability 0, here as in `posterior_entropy` and `predict`.
        """
        return softmax(self._possible_joint(x))

    def posterior_entropy(self, x: Any) -> Float[Array, " n"]:
        r"""How uncertain the component of every row is, $-\sum_k r_{ik} \log r_{ik}$.

        Args:
            x: data [n d], or anything that `fit` takes.

        Returns:
            Entropies [n] of the responsibilities, in nats: 0 where the component is certain, log k
            where the row says nothing of it.
        """
        logarithms = jax.nn.log_softmax(self._possible_joint(x))
        impossible = logarithms == -jnp.inf
        logarithms = jnp.where(impossible, 0.0, logarithms)
        return -jnp.sum(jnp.where(impossible, 0.0, jnp.exp(logarithms) * logarithms), axis=1)

    def predict(self, x: Any) -> Int[Array, " n"]:
        """The most probable component of every row."""
        return jnp.argmax(self._possible_joint(x), axis=1)

    def _possible_joint(self, x: Any) -> Float[Array, "n k"]:
        """`joint_log_prob` of rows that at least one component can give."""
        rows = self.rows(x)
        joint = self.joint_log_prob(rows)
        if not isinstance(joint, Tracer):
            check_possible(np.max(np.asarray(joint), axis=1), rows, UNDER_A_MIXTURE)
        return joint

    def complete(self, x: Any) -> Float[Array, "n d"]:
        r"""Rows with their missing entries filled in by conditional expectations.

        $E[x_m \mid x_o] = \sum_k r_k(x_o)\, E_k[x_m \mid x_o]$ for what is missing, given what is
        observed in the same row.

        Args:
            x: data [n d], NaN where an entry is missing.

        Returns:
            The data [n d] without NaN; observed entries as they are.

        Raises:
            ValueError: for rows without any observed entry, or of probability 0, and for components
                that take none missing.

        Examples:
            >>> import jaxmix as jm
            >>> mixture = jm.gaussian_mixture([1.0], [[0.0, 0.0]], [[[1.0, 0.5], [0.5, 1.0]]])
            >>> mixture.complete([[2.0, float("nan")]]).tolist()
            [[2.0, 1.0]]

        Source: notes/missing-data.md, eq. 5.
        """
        dtype = self.log_weights.dtype
        if isinstance(x, Tracer):
            rows = as_rows(x, dtype)
        else:
            rows = to_jax(as_incomplete(x)[0]).astype(dtype)
        from jaxmix.completion import completed

        self._check_columns(rows.shape[1])
        whole, log_prob = completed(self, rows)
        if not isinstance(log_prob, Tracer):
            check_possible(log_prob, rows, UNDER_A_MIXTURE)
        return whole

    def rows(self, x: Any) -> Float[Array, "n d"]:
        """Data as rows in the mixture's precision; raises ValueError for what it cannot hold."""
        dtype = self.log_weights.dtype
        if isinstance(x, Tracer):
            rows = as_rows(x, dtype)
            self._check_columns(rows.shape[1])
            return rows
        values, columns = as_matrix(x)
        self._check_columns(len(columns))
        self.family.check(values, columns)
        return to_jax(values).astype(dtype)

    def _check_columns(self, d: int) -> None:
        if d != self.family.shape[1]:
            raise ValueError(f"the mixture has {self.family.shape[1]} columns, x has {d}")

    def sample(self, n: int, seed: int = 0) -> tuple[Float[Array, "n d"], Int[Array, " n"]]:
        """Draw n observations and the components that they came from.

        Args:
            n: number of observations.
            seed: an integer; the same seed gives the same sample.

        Returns:
            Observations [n d] and labels [n].
        """
        n = as_count(n, "n", least=0)
        label_key, draw_key = jax.random.split(stream(seed, "sample"))
        labels = jax.random.categorical(label_key, self.log_weights, shape=(n,))
        return self.family.draw(draw_key, labels), labels

    def save(self, path: str | PathLike[str]) -> None:
        """Write the mixture to a file, from which `jaxmix.load_mixture` reads the same bits.

        Args:
            path: the file, under exactly this name (nothing is appended); .npz by convention. An
                existing file is replaced at once when the new one is complete.

        Raises:
            ValueError: if the file cannot be written, if mixtures are stacked or hold NaN, and for
                a family that does not say in `families.BLANKS` how it is rebuilt.
        """
        from jaxmix.saving import save

        save(self, path)

    def translate(self, shift: Float[Array, "*k d"]) -> "Mixture":
        """The mixture of x + shift, where x follows this one; a shift for all, or for each."""
        return type(self)(self.log_weights, self.family.translate(shift))

    def affine(self, scale: ArrayLike, shift: ArrayLike) -> "Mixture":
        """The mixture of scale x + shift, where x follows this one.

        Args:
            scale: a number, one number a column, or a [d d] matrix, as the family allows.
            shift: a number or [d].

        Returns:
            The transformed mixture, with the same weights.

        Raises:
            ValueError: if the family is not closed under the map.
        """
        dtype = self.log_weights.dtype
        return self._mapped(jnp.asarray(scale, dtype), jnp.asarray(shift, dtype))

    @jax.jit
    def _mapped(self, scale: Float[Array, "..."], shift: Float[Array, "..."]) -> "Mixture":
        shift = jnp.broadcast_to(shift, self.family.shape[1:])
        return type(self)(self.log_weights, self.family.affine(scale, shift))

    def take(self, order: Any) -> "Mixture":
        """Components in another order, weights renormalized."""
        k = self.num_components
        if not isinstance(order, Tracer) and not np.all(np.isin(order, range(-k, k))):
            raise ValueError(f"expected components 0 to {k - 1}, got {order}")
        return self._reordered(jnp.asarray(order))

    @jax.jit
    def _reordered(self, order: Int[Array, " m"]) -> "Mixture":
        return type(self)(jax.nn.log_softmax(self.log_weights[order]), self.family.take(order))

    def natural(self, ridge: ArrayLike = 0.0) -> Float[Array, "k f"]:
        """Natural parameters W: W phi(x) is log w_k + log p_k(x) less the ridge's part."""
        ridge = jnp.asarray(ridge, self.log_weights.dtype)
        table = self.family.natural(ridge)
        return jnp.concatenate([table[:, :-1], table[:, -1:] + self.log_weights[:, None]], axis=1)

    def maximize(
        self, statistics: Float[Array, "k f"], penalty: Penalty, fixed: tuple[str, ...] = ()
    ) -> "Mixture":
        """The M-step from expected sufficient statistics; `fixed` parts stay as they are."""
        family = self.family.maximize(statistics, penalty, fixed)
        if "weights" in fixed:
            return type(self)(self.log_weights, family)
        counts = statistics[:, -1] + penalty.concentration - 1
        return type(self)(jnp.log(counts) - jnp.log(jnp.sum(counts)), family)

    @property
    def expected_features(self) -> Float[Array, "k f"]:
        """Expectations of the features of a row and its component, row k for component k."""
        return self.weights[:, None] * self.family.expected_features

    def divergence(
        self, new: "Mixture", counts: Float[Array, " k"], penalty: Penalty
    ) -> Float[Array, ""]:
        """Q(new) - Q(self) plus the penalties' change, where `new` is the M-step's outcome."""
        total = jnp.sum(counts + penalty.concentration - 1)
        weights = total * jnp.sum(divergence_terms(new.weights, self.weights))
        return weights + self.family.divergence(new.family, counts, penalty)

    def log_penalty(self, natural: Float[Array, "k f"], penalty: Penalty) -> Float[Array, ""]:
        """The prior's part of the objective, of a mixture with these natural parameters."""
        concentration = (penalty.concentration - 1) * jnp.sum(self.log_weights)
        return concentration + self.family.log_penalty(natural, penalty)

    def unconstrain(self, fixed: tuple[str, ...] = ()) -> Coordinates:
        """Real coordinates of every part that is not fixed; weights are k log-weights.

        Raises:
            ValueError: for a rate or a probability on the boundary, which has no coordinates.
        """
        boundary = self.family.at_boundary
        if not isinstance(boundary, Tracer) and boundary:
            raise ValueError(
                f"a parameter of the {self.family.name} components lies on its boundary, a rate of "
                "0 or a probability of 0 or 1, and has no unconstrained coordinates; fit by EM, or "
                "start inside, without columns that are all 0, and stay there by pseudo-counts: "
                "prior=jaxmix.Prior(mean_strength=1.0)"
            )
        return self.coordinates(fixed)

    @partial(jax.jit, static_argnums=1)
    def coordinates(self, fixed: tuple[str, ...] = ()) -> Coordinates:
        """The coordinates that `unconstrain` gives, on the boundary the nearest finite ones."""
        coordinates = {"weights": self.log_weights} | self.family.unconstrain()
        return {name: value for name, value in coordinates.items() if name not in fixed}

    @jax.jit
    def constrain(self, coordinates: Coordinates) -> "Mixture":
        """The mixture at these coordinates; absent parts keep their present values."""
        log_weights = self.log_weights
        if "weights" in coordinates:
            log_weights = jax.nn.log_softmax(coordinates["weights"])
        return type(self)(log_weights, self.family.constrain(coordinates))

    @property
    def incomplete(self) -> Incomplete:
        """What takes the features' place for rows with missing entries; ValueError if nothing."""
        return self.family.require_incomplete()

    @property
    @jax.jit
    def is_finite(self) -> Bool[Array, ""]:
        """Whether every parameter is finite."""
        return jnp.all(jnp.array([jnp.all(jnp.isfinite(leaf)) for leaf in jax.tree.leaves(self)]))


def as_rows(x: Any, dtype: Any = None, missing: bool = False) -> Float[Array, "n d"]:
    """Data as a [n d] array: traced arrays as they are, anything else after the entry checks."""
    if isinstance(x, Tracer):
        wanted = jnp.result_type(x, float) if dtype is None else dtype
        x = x if jnp.issubdtype(x.dtype, jnp.floating) else x.astype(wanted)
        return x[:, None] if x.ndim == 1 else x
    values = to_jax(as_incomplete(x)[0] if missing else as_matrix(x)[0])
    return values if dtype is None else values.astype(dtype)


@jax.jit
def natural_table(mixture: Mixture) -> Float[Array, "k f"]:
    """A mixture's natural parameters, whose shape is traced once a kind of mixture."""
    return mixture.natural()
