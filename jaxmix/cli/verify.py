"""`jaxmix verify`: whether runs can be repeated, to the same bits."""

import json
from dataclasses import dataclass
from pathlib import Path

import tyro

DIFFERENT = 3
"""Exit code where a repetition came out otherwise."""


@dataclass(frozen=True)
class Verify:
    """Make runs again in fresh processes, and compare every array with the one from before."""

    runs: tyro.conf.Positional[tuple[Path, ...]]
    """Folders of runs."""

    folder: Path | None = None
    """Where the study's files are; where it was when the runs were made, if left out."""

    json: bool = False
    """Print the verdicts as JSON."""

    def run(self) -> int:
        """Print a verdict a run."""
        import jax

        jax.config.update("jax_enable_x64", True)
        from jaxmix.race.verification import verified

        if not self.runs:
            raise ValueError("name at least one folder of a run")
        verdicts = {str(run): verified(run, self.folder) for run in self.runs}
        if self.json:
            print(json.dumps({run: one._asdict() for run, one in verdicts.items()}, indent=1))
        else:
            for run, one in verdicts.items():
                print(f"{run}: {'verified' if one.same else 'NOT verified'}, {one.why}")
        return 0 if all(one.same for one in verdicts.values()) else DIFFERENT
