"""Free coordinates: as many as there are free parameters, and the same mixture again."""

import jax
import numpy as np
import pytest

import jaxmix as jm
from jaxmix.free import free_coordinates

COUNTS = np.random.default_rng(0).integers(0, 3, (30, 2)).astype(float)
MIXTURES = {
    "full": jm.gaussian_mixture([0.2, 0.5, 0.3], [[0.0], [1.0], [2.0]], [[[1.0]]] * 3),
    "tied": jm.gaussian_mixture([0.3, 0.7], [[0.0, 1], [2, 3]], [[2.0, 0.5], [0.5, 1.0]], "tied"),
    "poisson": jm.poisson_mixture([0.3, 0.7], [1.0, 2.0]),
    "mixed": jm.initialize(COUNTS, 2, family={"categorical": [0], "poisson": [1]}),
}


@pytest.mark.parametrize("name", MIXTURES)
def test_a_vector_is_a_mixture_without_flat_directions(name):
    mixture = MIXTURES[name]
    free = free_coordinates(mixture)
    assert free.size == mixture.num_parameters
    again = free.mixture(free.vector(mixture))
    for one, other in zip(jax.tree.leaves(mixture), jax.tree.leaves(again), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-14, atol=1e-14)
    np.testing.assert_allclose(free.basis.T @ free.basis, np.eye(free.size), atol=1e-14)


def test_fixed_parts_are_those_of_the_template():
    mixture = MIXTURES["tied"]
    free = free_coordinates(mixture, ("weights",))
    moved = free.mixture(free.vector(mixture) + 1.0)
    assert free.size == mixture.num_parameters - 1
    np.testing.assert_array_equal(moved.weights, mixture.weights)
    assert np.all(moved.means == mixture.means + 1)
