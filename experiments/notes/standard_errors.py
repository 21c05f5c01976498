"""Standard errors of two published fits, and the coverage that experiments/coverage.py kept; prints
what notes/standard-errors.md quotes."""

import json
from pathlib import Path

import jax

jax.config.update("jax_enable_x64", True)

import numpy as np  # noqa: E402

import jaxmix as jm  # noqa: E402


def show(name, mixture, x, part, **options):
    """Standard errors by each kind, and how far the routes to the information are apart."""
    for kind in ("observed", "sandwich", "opg"):
        errors = jm.inference.standard_errors(mixture, x, kind, **options)
        values = np.ravel(getattr(errors, part))
        cells = "  ".join(f"{value:.7f}" for value in (errors.weights[0], *values))
        print(f"{name:<13} {kind:<9} weight, {part}: {cells}")
    complete = jm.inference.information(mixture, x, "complete", **options)
    jacobian = jm.inference.em_jacobian(mixture, x, **options)
    by_jacobian = complete @ (np.eye(len(complete)) - jacobian)
    exact = errors_of(jm.inference.information(mixture, x, **options))
    routes = (jm.inference.louis(mixture, x, **options).right, by_jacobian)
    apart = max(np.max(np.abs(errors_of(route) / exact - 1)) for route in routes)
    print(f"{name:<13} routes agree to 1e-8: {apart <= 1e-8}")


def errors_of(information):
    return np.sqrt(np.diagonal(np.linalg.inv(information)))


def show_bootstrap(name, mixture, x, part):
    """Standard errors by a thousand refits, as `show` has those by information."""
    errors = jm.inference.bootstrap(mixture, x, num_resamples=1000)
    values = np.ravel(getattr(errors, part))
    cells = "  ".join(f"{value:.4f}" for value in (errors.weights[0], *values))
    print(f"{name:<13} bootstrap weight, {part}: {cells}")


KEPT = Path(__file__).parents[1] / "results" / "coverage.json"


def coverage_lines():
    """The table of coverage by observed information, and how the fits ended, from the file."""
    cells = json.loads(KEPT.read_text())["cells"]
    parameters = list(cells[0]["coverage"]["observed"]["plain"])
    yield "  ".join(["   n", "apart", "scale", *parameters])
    for cell in cells:
        for scale, shares in cell["coverage"]["observed"].items():
            numbers = [f"{shares[name]:{len(name)}.3f}" for name in parameters]
            row = [f"{cell['n']:>4}", f"{cell['separation']:>5.0f}", f"{scale:<5}", *numbers]
            yield "  ".join(row)
    for cell in cells:
        elsewhere = cell["k-means++ leads higher"] + cell["k-means++ leads lower"]
        yield (
            f"{cell['n']:>4}  {cell['separation']:>5.0f}  of {cell['data sets']}: no fit converged "
            f"{cell['no fit converged']}, singular {cell['singular information']}, another optimum "
            f"from k-means++ {elsewhere}"
        )


def main() -> None:
    waiting = jm.data.load("faithful").x[:, 1]
    start = jm.gaussian_mixture([0.5, 0.5], [[55.0], [80.0]], [[25.0]], family="tied")
    fit = jm.fit(waiting, start, stop=jm.Stop(tol=1e-18))
    show("Old Faithful", fit.mixture, waiting, "means")
    show_bootstrap("Old Faithful", fit.mixture, waiting, "means")
    deaths, start = jm.data.load("hasselblad"), jm.poisson_mixture([0.3, 0.7], [1.0, 2.5])
    options = {"sample_weights": deaths.sample_weights}
    fit = jm.fit(deaths.x, start, jm.Newton(), stop=jm.Stop(tol=1e-22), **options)
    show("Hasselblad", fit.mixture, deaths.x, "rates", **options)
    print(*coverage_lines(), sep="\n")


if __name__ == "__main__":
    main()
