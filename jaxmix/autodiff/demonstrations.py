"""What `jaxmix demo` shows of autodiff: each subject on the lecture's program or on the user's own.

Tables and pictures come from the studies of this package; notes/autodiff.md derives what they show.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from jaxmix import data, dual
from jaxmix.autodiff import applications, costs, likelihood, pictures, source, studies
from jaxmix.autodiff.chain_rule import chain_rule
from jaxmix.autodiff.differences import central, error_study
from jaxmix.autodiff.graph import trace
from jaxmix.autodiff.programs import Program, read
from jaxmix.report.demonstration import Demonstration, Listing
from jaxmix.report.writers import Table
from jaxmix.suggestions import unknown

ADVICE = (
    "functions of jaxmix.dual and NumPy take all numbers, those of math do not; whole numbers for "
    "range are no arguments: give the parameter a default"
)
STAGES = (20, 20, 1, 20, 30)
"""Numbers between the stages of a program whose best order is neither mode's."""


def differences(program: Program) -> Demonstration:
    """The error of divided differences against the step, beside methods without a step."""
    if len(program.point) != 1:
        raise ValueError(f"differences takes one variable, got {', '.join(program.inputs)}")
    study = error_study(lambda x: program.on([x]), float(program.point[0]))
    forward = min(study.rows, key=lambda row: row.forward)
    best = min(study.rows, key=lambda row: row.central)
    caption = (
        f"Absolute errors of the derivative of {program.text} at {program.place}.\n"
        f"Least forward {forward.forward:.3e} at h = {forward.h:.2e} "
        f"(by theory {_step_in_words(study.best_forward_step)}), "
        f"least central {best.central:.3e} at h = {best.h:.2e} "
        f"(by theory {_step_in_words(study.best_central_step)}).\n"
        f"Without a step: complex step {study.complex_step:.1e}, dual numbers {study.dual:.1e}."
    )
    columns = ("h", "forward error", "predicted error", "central error", "predicted error")
    table = Table(columns, tuple(tuple(row) for row in study.rows), caption)
    return Demonstration((table,), lambda: pictures.draw_errors(study))


def _step_in_words(step: float) -> str:
    return f"near {step:.2e}" if np.isfinite(step) else "the longer the better"


def dual_numbers(program: Program) -> Demonstration:
    """The program run on dual numbers, an expression part by part from the inside out."""
    _require_one_number(program)
    point, names = program.point, list(program.inputs)
    slopes = np.ravel(dual.jacobian(program.outputs)(point))
    numbers = [dual.Dual(x, row) for x, row in zip(point, np.eye(len(point)))]
    rows = dict(zip(names, numbers)) | dict(program.parts(numbers))
    by_differences = ", ".join(f"{slope:.6g}" for slope in central(program.on, point))
    caption = (
        "The product of any two d is 0; the number beside a d is a partial derivative.\n"
        f"By central differences the partial derivatives are {by_differences}."
    )
    shown = tuple((text, str(number)) for text, number in rows.items())
    table = Table(("program", "dual number"), shown, caption)
    draw = pictures.draw_tangents
    return Demonstration((table,), lambda: draw(program.on, point, slopes, names))


def chain(program: Program) -> Demonstration:
    """The program beside its dual program, line by line, and the paths that add up."""
    _require_one_number(program)
    graph = trace(program.function, *program.arguments)
    return Demonstration((chain_rule(graph),), lambda: graph.draw().figure)


def both_sweeps(program: Program) -> Demonstration:
    """The computation graph with tangents of the forward sweep and adjoints of the reverse."""
    _require_one_number(program)
    graph = trace(program.function, *program.arguments)
    return Demonstration((graph.table(),), lambda: graph.draw().figure)


def transformed(program: Program) -> Demonstration:
    """The derivative as a program to read, in both modes, and what the realizations cost."""
    modes = [(mode, source.transform(program.function, mode)) for mode in source.MODES]
    parts: list[Any] = [Listing(made.source, f"The {mode} mode.") for mode, made in modes]
    if all(isinstance(argument, int | float) for argument in program.arguments):
        parts.append(costs.realizations(program.function, *program.arguments))
    return Demonstration(tuple(parts))


def modes(program: Program) -> Demonstration:
    """The Jacobian column by column, by forward sweeps, and row by row, by reverse sweeps."""
    by_columns = dual.jacobian(program.outputs)(program.point)
    m, n = by_columns.shape
    by_rows = [trace(_output(program, i), *program.arguments).gradient for i in range(m)]
    caption = (
        f"{n} forward {'sweeps give' if n > 1 else 'sweep gives'} it column by column, "
        f"{m} reverse {'sweeps' if m > 1 else 'sweep'} row by row; "
        f"the two differ by at most {np.max(np.abs(by_columns - by_rows)):.1e}."
    )
    columns = ("output", *(f"d/d{name}" for name in program.inputs))
    rows = tuple((f"f{i + 1}", *map(float, row)) for i, row in enumerate(by_columns))
    table = Table(columns, rows, caption)
    names = list(program.inputs)
    return Demonstration((table,), lambda: pictures.draw_modes(by_columns, names=names))


def modes_of_the_lecture() -> Demonstration:
    """Beside a Jacobian, the orders of a chain of Jacobians and the cost of sweeps."""
    shown = modes(read("x1*x2 + sin(x1), x1*x3", "2, 3, 5"))
    orders = zip(("forward", "reverse", "best"), studies.chain_orders(STAGES))
    rows = tuple((name, order.product, order.multiplications) for name, order in orders)
    caption = f"Orders of a chain of Jacobians with {', '.join(map(str, STAGES))} numbers between."
    chain = Table(("order", "product", "multiplications"), rows, caption)
    return Demonstration((*shown.parts, chain, costs.sweeps()), shown.draw)


def newton(program: Program) -> Demonstration:
    """Newton's method: for equations as many as unknowns, or for the minimum of one number."""
    n, m = len(program.point), len(program.outputs(program.point))
    if m not in (1, n):
        raise ValueError(f"newton takes one value to minimize or {n} equations, got {m} values")
    solve = applications.newton if m == n else applications.minimize
    goal = "Zero" if m == n else "Minimum"
    found = solve(program.outputs if m == n else program.on, program.point)
    errors = np.max(np.abs(found.path - found.x), axis=1)
    outputs = [program.outputs(x) for x in found.path]
    rows = tuple(
        (step, *map(float, x), *map(float, y), float(error))
        for step, (x, y, error) in enumerate(zip(found.path, outputs, errors))
    )
    columns = ("iteration", *program.inputs, *(f"f{i + 1}" for i in range(m)), "error")
    outcome = "converged" if found.converged else "not converged"
    caption = (
        f"{goal} of {program.text} from {program.place}: {outcome}. "
        "Errors are distances to the last iterate."
    )
    table = Table(columns, rows, caption)
    return Demonstration((table,), lambda: pictures.draw_convergence(errors, program.text))


def own_likelihood(program: Program) -> Demonstration:
    """The gradient of a user's log-likelihood of Old Faithful's eruptions, by four ways."""
    table = likelihood.compare_own_gradients(lambda t: dual.sum(program.on(t)), program.point)
    return Demonstration((table,))


def likelihood_of_the_lecture() -> Demonstration:
    """The log-likelihood of mixtures with 5, 50 and 500 parameters, by five ways."""
    table = likelihood.compare_gradients()
    return Demonstration((table,), lambda: pictures.draw_costs(table))


def _output(program: Program, index: int) -> Callable[..., Any]:
    """One of the numbers that come out of a program."""

    def one(*arguments: Any) -> Any:
        y = program.function(*arguments)
        return y[index] if isinstance(y, tuple | list) else y

    return one


def _require_one_number(program: Program) -> None:
    count = len(program.outputs(program.point))
    if count != 1:
        raise ValueError(f"{program.text} gives {count} numbers, for which there is modes")


class Subject(NamedTuple):
    """A demonstration of a program, and that of the lecture's."""

    show: Callable[[Program], Demonstration]
    of_the_lecture: Callable[[], Demonstration]


def _on(show: Callable[[Program], Demonstration], text: str, at: str) -> Subject:
    return Subject(show, lambda: show(read(text, at)))


LECTURE = "x1*x2 + sin(x1)", "2, 3"
SUBJECTS = {
    "differences": _on(differences, "x**3", "1"),
    "dual": _on(dual_numbers, *LECTURE),
    "chain-rule": _on(chain, *LECTURE),
    "source": _on(transformed, *LECTURE),
    "graph": _on(both_sweeps, *LECTURE),
    "modes": Subject(modes, modes_of_the_lecture),
    "newton": _on(newton, "x**2 - 2", "1"),
    "likelihood": Subject(own_likelihood, likelihood_of_the_lecture),
}
"""Demonstrations by the names that the command line gives them."""


def demonstrate(subject: str, text: str | None = None, at: str | None = None) -> Demonstration:
    """A demonstration by name, of the lecture's program or of another.

    Args:
        subject: a name in `SUBJECTS`.
        text: a program as `programs.read` takes it; the lecture's when left out. Of `likelihood`,
            the log-density of one observation x, whose other variables are the parameters; x is
            then Old Faithful's eruptions.
        at: the program's arguments as in a call; 1 each when left out.

    Returns:
        Tables and a picture.

    Raises:
        ValueError: for an unknown subject, or a program that cannot be read or does not run.

    Examples:
        >>> print(demonstrate("dual", "x*y", at="2, 5").to_text().splitlines()[4])
        x * y    10 + 5 d1 + 2 d2

    Source: notes/autodiff.md.
    """
    if subject not in SUBJECTS:
        raise unknown("subject", subject, SUBJECTS)
    with np.errstate(all="ignore"):
        if text is None:
            if at is not None:
                raise ValueError(f"--at {at!r} needs a program: an expression or FILE.py:function")
            return SUBJECTS[subject].of_the_lecture()
        held = {"x": data.load("faithful").x[:, 0]} if subject == "likelihood" else {}
        program = read(text, at, held)
        program.check()
        try:
            return SUBJECTS[subject].show(program)
        except ValueError:
            raise
        except TypeError as error:
            raise ValueError(f"{text} cannot be differentiated: {error}; {ADVICE}") from error
        except Exception as error:
            what = f"{type(error).__name__}: {error}"
            raise ValueError(f"{text} fails near {program.place}: {what}") from error
