"""A method's run through its budget, with a state to go on from between.

Only the method's compute is timed: compilation, evaluation and writing are apart. Everything is
evaluated in float64, at the parameters of that moment.
"""

import time
from collections.abc import Callable

import numpy as np

from jaxmix.archives import Arrays
from jaxmix.loop import Outcome
from jaxmix.methods.em import EM
from jaxmix.mixture import Mixture
from jaxmix.posing import check_problem
from jaxmix.precision import cast
from jaxmix.problem import Problem
from jaxmix.race.problems import Opened
from jaxmix.race.runners import Runner
from jaxmix.race.schedule import steps_ahead
from jaxmix.race.store import Row, RunFolder
from jaxmix.race.study import Budget

SAVE_SECONDS = 20.0
"""Between two writings of a state: what a kill may lose."""

Beat = Callable[[], None]
"""Called between two evaluations; raises where the run is no longer this process's."""


class Referee:
    """Objective and gap of mixtures in float64, in the user's units.

    Args:
        problem: data, as methods see them.
        start: a mixture of the kind that will come.
    """

    def __init__(self, problem: Opened, start: Mixture):
        self._units, self._shift = problem.units, problem.units.shift(problem.total)
        weights, ridge = problem.table.sample_weights, problem.stated.ridge
        posed = (problem.x, cast(start, np.float64), EM(), None, ridge, (), weights)
        self._problem, _ = check_problem(*posed)

    def judge(self, mixture: Mixture) -> tuple[float, float]:
        """Objective and gap at a mixture, by passes whose digits suffice there."""
        problem: Problem = self._problem
        inside = problem.enter(cast(mixture, np.float64))
        seen = problem.evaluate(inside)
        if bool(seen.rough):
            seen = problem.in_form("recentered").evaluate(inside)
        return float(seen.objective) + self._shift, float(seen.gap)

    def parameters(self, mixture: Mixture) -> Arrays:
        """Weights and parts of the components at a mixture, in the user's units."""
        there = self._units.mixture(cast(mixture, np.float64))
        parts = {name: np.asarray(there.family.part(name)) for name in there.family.parts}
        return {"weights": np.asarray(there.weights), **parts}


class Race:
    """A method on its way through its budget, and what has been seen of it so far."""

    def __init__(self, runner: Runner, referee: Referee, folder: RunFolder):
        self._runner, self._referee, self._folder = runner, referee, folder
        self.rows: list[Row] = []
        self._path: dict[str, list[np.ndarray]] = {}
        self.seconds, self._written = 0.0, time.monotonic()

    def prepare(self) -> float:
        """Take up where an earlier process was, and compile; the seconds of compilation."""
        self._go_on()
        began = time.perf_counter()
        self._runner.prepare()
        return time.perf_counter() - began

    def run(self, budget: Budget, beat: Beat) -> None:
        """From where it is to the end of the budget, or as far as the method can go."""
        while True:
            runner = self._runner
            spent = runner.num_steps, runner.spent.passes, self.seconds
            steps = steps_ahead(*spent, budget)
            if steps == 0 or runner.outcome != Outcome.RUNNING:
                return
            self.seconds = runner.advance(steps, self.seconds)
            self._look()
            beat()
            if time.monotonic() - self._written >= SAVE_SECONDS:
                self._keep()

    def _go_on(self) -> None:
        """Take up a state that an earlier process has left, or look at the start."""
        kept = self._folder.state()
        if kept is None:
            self._look()
            return
        header, arrays = kept
        self._runner.thaw(header["runner"], arrays)
        self.rows, self.seconds = header["rows"], header["seconds"]
        self._path = {
            name.removeprefix("path."): list(array)
            for name, array in arrays.items()
            if name.startswith("path.")
        }

    def _look(self) -> None:
        """Evaluate where the run is."""
        runner, mixture = self._runner, self._runner.mixture
        objective, gap = self._referee.judge(mixture)
        here = {"step": runner.num_steps, **runner.spent._asdict(), "seconds": self.seconds}
        self.rows.append({**here, "objective": objective, "gap": gap})
        for name, part in self._referee.parameters(mixture).items():
            self._path.setdefault(name, []).append(part)

    def _keep(self) -> None:
        header, arrays = self._runner.frozen()
        about = {"runner": header, "rows": self.rows, "seconds": self.seconds}
        self._folder.keep(about, arrays | self._stacked)
        self._written = time.monotonic()

    @property
    def _stacked(self) -> Arrays:
        return {f"path.{name}": np.stack(parts) for name, parts in self._path.items()}

    @property
    def arrays(self) -> Arrays:
        """The path by evaluations, its last mixture with it, and the method's own histories."""
        steps = np.array([row["step"] for row in self.rows])
        history = self._runner.history._asdict()
        histories = {f"history.{n}": np.asarray(a) for n, a in history.items() if a is not None}
        return {"path.step": steps, **self._stacked, **histories}
