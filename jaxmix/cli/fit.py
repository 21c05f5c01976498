"""`jaxmix fit`: one mixture of a table or a file, from several starts, into a folder.

Works in float64 and in the units of the data; prints the best fit, its ridge and its starts.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro

from jaxmix.cli.tables import named_table


@dataclass(frozen=True)
class Fit:
    """Fit one mixture from several starts, and write it with its numbers."""

    data: tyro.conf.Positional[str] = "faithful"
    """A bundled table (faithful, galaxies, iris, hasselblad, linkage), a csv, npy or parquet file,
    or the pixels of a png or jpg."""

    k: int = 2
    """Number of components."""

    family: str = "full"
    """Gaussian covariances: full, tied, diag or spherical; or poisson for counts, bernoulli for 0
    and 1, categorical for levels 0, 1, 2 and so on."""

    method: str = "em"
    """em, any optax optimizer by name, or FILE.py:Class, with settings in parentheses, as in
    "adam(learning_rate=0.02)"."""

    starts: int = 8
    """Number of starts, of which the best is kept."""

    seed: int = 0
    """Seed of the starts."""

    ridge: float | None = None
    """Keeps variances from zero, in squared units of the data; 0 for none. A millionth of the
    smallest column variance when left out; constant columns do not count."""

    stop: str = "gap"
    """When a fit has converged: gap (nats that one more EM step promises), mean, total, relative,
    gradient or parameters."""

    tol: float = 1e-8
    """The tolerance of that rule."""

    max_steps: int = 5000
    """The most steps of a start."""

    missing: bool = False
    """Whether entries may be missing: empty cells, NA, N/A, NaN or null in csv files."""

    columns: str | None = None
    """Names of the columns to use, separated by commas; all numeric ones when left out."""

    labels: str | None = None
    """Name of the column that holds known classes; kept out of the fit."""

    sample_weights: str | None = None
    """Name of the column that says how often each row was seen; kept out of the fit."""

    standard_errors: bool = False
    """Whether to show standard errors of all parameters, from the observed information."""

    out: Path = Path("jaxmix-fit")
    """Folder for the results."""

    checkpoint: Path | None = None
    """File that keeps an unfinished fit, so that the same command goes on from it; several starts,
    which then run one after another, have one each: FILE-0, FILE-1 and so on before the ending."""

    processes: int | None = None
    """Number of processes on this machine that share the rows and the processors."""

    coordinator: str | None = None
    """HOST:PORT of the first process, where several machines share the rows: each runs this command
    with its own --process-id."""

    num_processes: int | None = None
    """How many processes there are with --coordinator; SLURM knows without."""

    process_id: int | None = None
    """Which of them this is, counted from 0; SLURM knows without."""

    def run(self) -> int:
        """Fit, print the best fit and write the folder."""
        from jaxmix.cli.processes import joining, launch

        if self.processes is not None:
            if self.coordinator is not None:
                raise ValueError("--processes starts its own; leave it out, or --coordinator")
            return launch(self, self.checkpoint)
        import jax

        jax.config.update("jax_enable_x64", True)
        whole = self.coordinator, self.num_processes, self.process_id, self.checkpoint
        with joining(*whole) as mesh:
            self._fit(mesh)
        return 0

    def _fit(self, mesh: Any) -> None:
        import jax

        from jaxmix.cli.fitted import fitted
        from jaxmix.report.fits import assignments, fit_files, fit_record
        from jaxmix.report.writers import write_files
        from jaxmix.stopping import Stop

        table = named_table(self.data, self.columns, self.labels, self.sample_weights, self.missing)
        stop = Stop(self.stop, self.tol, self.max_steps)
        found = fitted(
            table,
            self.k,
            self.family,
            self.method,
            self.starts,
            self.seed,
            self.ridge,
            stop,
            self.missing,
            self.checkpoint,
            mesh,
        )
        if jax.process_index() != 0:
            return
        mixture = found.best.mixture
        rows = assignments(mixture, table.x)
        record = fit_record(found.runs, table, rows, self.labels, self._settings(found))
        errors = self._errors(found, table) if self.standard_errors else None
        summary = found.to_text(errors) + _agreement(record["classes"])
        write_files({"summary.txt": summary} | fit_files(record, mixture, table, rows), self.out)
        mixture.save(self.out / "mixture.npz")
        print(summary)
        print(f"Written to {self.out}: jaxmix.load_mixture reads {self.out / 'mixture.npz'}")

    def _errors(self, found: Any, table: Any) -> Any:
        """Standard errors of the best fit, in the data's units."""
        from jaxmix.inference import standard_errors

        return standard_errors(
            found.best.mixture,
            table.x,
            ridge=found.ridge,
            sample_weights=table.sample_weights,
            missing=self.missing,
        )

    def _settings(self, found: Any) -> dict[str, Any]:
        return {
            "seed": self.seed,
            "k": self.k,
            "family": self.family,
            "method": found.contender.settings,
            "stop": {"rule": self.stop, "tol": self.tol, "max_steps": self.max_steps},
            "ridge": found.ridge,
            "ridge_is_default": found.ridge_is_default,
            "missing": self.missing,
            "sample_weights": self.sample_weights,
            "reached": found.reached,
            "failed": found.failed,
        }


def _agreement(classes: dict[str, Any] | None) -> str:
    """How well the components find known classes, in a line."""
    if classes is None:
        return ""
    index = classes["adjusted_rand_index"]
    return f"{'classes':<15} adjusted Rand index {index:.3f} with {classes['column']}\n"
