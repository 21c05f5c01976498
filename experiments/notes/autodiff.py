"""Errors of divided differences on x^3, and both sweeps over the lecture's program.

The numbers of notes/autodiff.md.
Run: python experiments/notes/autodiff.py
"""

from jaxmix.autodiff import differences, graph
from jaxmix.dual import sin


def report_errors() -> None:
    """Errors at every third step of the lecture's grid, beside the predictions."""
    study = differences.error_study(lambda x: x**3, 1.0)
    print("derivative of x^3 at 1, error by step")
    print(f"{'h':>9}{'forward':>12}{'predicted':>12}{'central':>12}{'predicted':>12}")
    for row in study.rows[::3]:
        print(f"{row.h:>9.2e}" + "".join(f"{error:>12.2e}" for error in row[1:]))
    least = min(study.rows, key=lambda row: row.forward)
    print(f"least forward: {least.forward:.3e} at h = {least.h:.2e}")
    least = min(study.rows, key=lambda row: row.central)
    print(f"least central: {least.central:.3e} at h = {least.h:.2e}")
    print(f"best steps: {study.best_forward_step:.2e} and {study.best_central_step:.2e}")
    print(f"complex step: {study.complex_step:.0e}, dual numbers: {study.dual:.0e}")


if __name__ == "__main__":
    report_errors()
    print("\nx1 x2 + sin(x1) at (2, 3)")
    traced = graph.trace(lambda x1, x2: x1 * x2 + sin(x1), 2.0, 3.0)
    print(traced.table().to_text(), end="")
