"""Parts of a study as jobs of a cluster's scheduler, through submitit (the extra `cluster`).

A job makes many short runs, one after another, in the folder of runs, which all jobs share. Where
one is ended too early, the same command sends what is left, which goes on where it was.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jaxmix.race.named_methods import keyword_values
from jaxmix.suggestions import unknown

EXECUTORS = ("slurm", "debug")
"""A SLURM cluster, and this process, to try what would be sent."""


def submitted(
    commands: Sequence[Sequence[str]], executor: str, folder: Path, asked: str = ""
) -> list[str]:
    """Send commands of `jaxmix`, one a job; their numbers.

    Args:
        commands: words after `jaxmix`, for each job.
        executor: "slurm", or "debug", which runs them here and waits.
        folder: where submitit keeps its scripts and what jobs print.
        asked: what to ask of the scheduler, as submitit names it, such as
            "timeout_min=120, cpus_per_task=4, slurm_partition='long'".

    Raises:
        ValueError: for an unknown executor, settings that cannot be read, and without submitit.
    """
    if executor not in EXECUTORS:
        raise unknown("executor", executor, EXECUTORS)
    try:
        import submitit
    except ImportError:
        raise ValueError(
            "--executor needs submitit; install it by: pip install 'jaxmix[cluster]'"
        ) from None
    try:
        sender = submitit.AutoExecutor(folder=folder, cluster=executor)
        sender.update_parameters(**{"name": "jaxmix", **_settings(asked)})
    except (RuntimeError, NameError, TypeError) as error:
        raise ValueError(f"{executor} refuses: {' '.join(str(error).split())}") from None
    jobs = [sender.submit(run_words, list(words)) for words in commands]
    if executor == "debug":
        for job in jobs:
            job.result()
    return [str(job.job_id) for job in jobs]


def run_words(words: list[str]) -> int:
    """What a job does: the command `jaxmix` with these words."""
    from jaxmix.cli.main import main

    return main(words)


def _settings(asked: str) -> dict[str, Any]:
    """Names and values from "name=value, ..."."""
    try:
        return keyword_values(f"({asked})")
    except ValueError:
        raise ValueError(
            f"cannot read {asked!r}; write name=value with plain numbers or text, such as "
            "timeout_min=120, slurm_partition='long'"
        ) from None
