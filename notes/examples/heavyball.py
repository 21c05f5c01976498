"""Gradient ascent with momentum, written against the public API: a method in one file."""

import jax

import jaxmix as jm


class Heavyball(jm.Method):
    """Polyak's heavy-ball method on the objective a unit of sample weight."""

    learning_rate: float = 0.1
    momentum: float = 0.9

    def init(self, problem, mixture):
        still = jax.tree.map(lambda c: 0 * c, mixture.unconstrain(problem.fixed))
        return mixture, still, problem.evaluate(mixture)

    def step(self, problem, state):
        mixture, velocity, evaluation = state
        slope = problem.gradient(mixture, evaluation.statistics)
        velocity = jax.tree.map(
            lambda v, g: self.momentum * v + self.learning_rate * g / problem.total, velocity, slope
        )
        moved = jax.tree.map(lambda c, v: c + v, mixture.unconstrain(problem.fixed), velocity)
        mixture = mixture.constrain(moved)
        evaluation = problem.evaluate(mixture)
        info = jm.Info(evaluation, jm.Cost(passes=1, gradients=1))
        return (mixture, velocity, evaluation), info

    def finish(self, state):
        return state[0]
