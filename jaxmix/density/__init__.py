"""Nonparametric estimates: histograms, Gaussian kernels, least squares on basis functions.

Each is a linear smoother with its leave-one-out score (notes/density.md).
"""

from jaxmix.density import scores
from jaxmix.density.bases import LeastSquares, least_squares
from jaxmix.density.histograms import Histogram, histogram
from jaxmix.density.kernel_densities import KernelDensity, kernel_density
from jaxmix.density.kernel_regressions import KernelRegression, kernel_regression

__all__ = [
    "Histogram",
    "KernelDensity",
    "KernelRegression",
    "LeastSquares",
    "histogram",
    "kernel_density",
    "kernel_regression",
    "least_squares",
    "scores",
]
