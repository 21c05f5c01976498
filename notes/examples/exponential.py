"""Waiting times: a family of one's own, exponentially distributed columns with means [k d]."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

import jaxmix as jm
from jaxmix.numerics import excess


class Waiting(jm.families.ExponentialFamily):
    """k components of waiting times, by their mean waits."""

    name = "waiting"
    parts = ("waits",)

    @classmethod
    def standard(cls, x, k):
        return cls(jnp.ones((k, x.shape[1]), jax.dtypes.canonicalize_dtype(x.dtype)))

    def part(self, name):
        return self.expectations

    @property
    def shape(self):
        return self.expectations.shape

    @property
    def settings(self):
        return {}

    @property
    def sizes(self):
        return {"waits": self.expectations.size}

    @property
    def features(self):
        return TimesAndOne()

    def check(self, x, columns):
        if not np.all(x > 0):
            raise ValueError(f"waiting times must be positive, got {x.min():g}")

    def check_prior_mean(self, mean):
        self.check(mean, ())

    @property
    def at_boundary(self):
        return jnp.any(self.expectations <= 0)

    def embed(self, x):
        return jnp.log(x)

    def about(self, points, mean, spread):
        return type(self)((points + mean) / 2)

    def log_prob(self, x):
        waits = self.expectations
        return jnp.sum(-x[:, None] / waits - jnp.log(waits), axis=-1)

    def coefficients(self):
        waits = self.expectations
        constant = -jnp.sum(jnp.log(waits), axis=1, keepdims=True)
        return jnp.concatenate([-1 / waits, constant], axis=1)

    def expected_log_prob(self, expectations):
        waits = self.expectations
        return -(1 / waits) @ expectations.T - jnp.sum(jnp.log(waits), axis=1, keepdims=True)

    def divergences(self, new):
        return jnp.sum(excess(new.expectations / self.expectations - 1), axis=1)

    def pseudo_mean(self, penalty):
        return penalty.mean

    def with_expectations(self, expectations):
        return type(self)(expectations)

    def to_coordinates(self):
        return jnp.log(self.expectations)

    def from_coordinates(self, coordinates):
        return jnp.exp(coordinates)

    @property
    def moments(self):
        waits = self.expectations
        return waits, jax.vmap(jnp.diag)(waits**2)

    def marginal(self, columns):
        return type(self)(self.expectations[:, np.array(columns)])

    def draw(self, key, labels):
        waits = self.expectations[labels]
        return waits * jax.random.exponential(key, waits.shape, waits.dtype)

    def describe(self, columns):
        return [dict(zip(columns, map(float, row))) for row in self.expectations]


class TimesAndOne(eqx.Module):
    """The features: the times, and 1."""

    def __call__(self, x):
        return jnp.concatenate([x, jnp.ones_like(x[:1])])
