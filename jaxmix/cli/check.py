"""`jaxmix check`: a student's E-step, M-step, k-means or dual class, mistakes by name."""

from dataclasses import dataclass
from typing import Annotated

import tyro


@dataclass(frozen=True)
class Check:
    """Check the exercises of the course in a Python file; the exit code is 1 where one is wrong."""

    file: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="FILE")]
    """A Python file that defines any of: e_step, m_step, em, kmeans, Dual, softmax, logsumexp,
    density, sample, initialize, converged, failed, kernel_regression, gradient."""

    family: str = "full"
    """The shape of all covariances: full, tied, diag or spherical."""

    seconds: float = 20.0
    """The time after which an exercise that does not answer is left."""

    def run(self) -> int:
        """Print the report."""
        from jaxmix.teaching import check_file

        report = check_file(self.file, self.family, self.seconds)
        print(report.to_text(), end="")
        return 0 if report.passed else 1
