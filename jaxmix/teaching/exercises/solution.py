"""The course's exercises in plain NumPy, as a student would hand them in; full covariances.

What `check` compares with. mistakes.py makes every mistake in circulation by changing one place of
this file, so that right and wrong differ in nothing else. notes/em.md, eq. 1 to 6 and 13.
"""

import numpy as np


def softmax(x):
    """exp(x), each row divided by its sum."""
    shifted = x - np.max(x, axis=1, keepdims=True)
    exponentials = np.exp(shifted)
    return exponentials / np.sum(exponentials, axis=1, keepdims=True)


def logsumexp(x):
    """The logarithm of each row's sum of exponentials."""
    largest = np.max(x, axis=1)
    return largest + np.log(np.sum(np.exp(x - largest[:, None]), axis=1))


def log_density(x, mean, covariance):
    """The Gaussian log-density of every row."""
    factor = np.linalg.cholesky(covariance)
    white = np.linalg.solve(factor, (x - mean).T)
    log_deviations = np.sum(np.log(np.diag(factor)))
    return -np.sum(white**2, axis=0) / 2 - log_deviations - len(mean) * np.log(2 * np.pi) / 2


def density(x, mean, covariance):
    """The density of two columns written with their correlation, as for contours."""
    deviations = np.sqrt(np.diag(covariance))
    correlation = covariance[0, 1] / (deviations[0] * deviations[1])
    if abs(correlation) >= 1:
        raise ValueError("a singular covariance has no density")
    a, b = ((x - mean) / deviations).T
    rest = 1 - correlation**2
    exponent = -(a**2 - 2 * correlation * a * b + b**2) / (2 * rest)
    return np.exp(exponent) / (2 * np.pi * deviations[0] * deviations[1] * np.sqrt(rest))


def sample(weights, means, covariances, n, rng):
    """n draws from a mixture."""
    labels = rng.choice(len(weights), size=n, p=weights)
    factors = np.linalg.cholesky(covariances)
    noise = rng.standard_normal((n, means.shape[1], 1))
    return means[labels] + (factors[labels] @ noise)[:, :, 0]


def initialize(x, k, rng):
    """Equal weights, k different rows as means, and the covariance of all rows."""
    rows = rng.choice(len(x), size=k, replace=False)
    covariance = np.atleast_2d(np.cov(x.T, ddof=0))
    return np.full(k, 1 / k), x[rows], np.tile(covariance, (k, 1, 1))


def e_step(x, weights, means, covariances):
    """Responsibilities and the log-likelihood."""
    parts = zip(weights, means, covariances)
    joint = np.stack([np.log(w) + log_density(x, m, c) for w, m, c in parts], axis=1)
    responsibilities = softmax(joint)
    return responsibilities, np.sum(logsumexp(joint))


def m_step(x, responsibilities):
    """Weights, means and covariances from responsibilities."""
    counts = np.sum(responsibilities, axis=0)
    means = np.sum(responsibilities[:, :, None] * x[:, None, :], axis=0) / counts[:, None]
    shares = responsibilities / counts
    centered = x[:, None, :] - means
    covariances = np.einsum("nk,nki,nkj->kij", shares, centered, centered)
    return counts / len(x), means, covariances


def em(x, weights, means, covariances, num_steps):
    """Parameters after so many steps, with their own responsibilities and log-likelihood."""
    for _ in range(num_steps):
        responsibilities, _ = e_step(x, weights, means, covariances)
        weights, means, covariances = m_step(x, responsibilities)
    responsibilities, log_likelihood = e_step(x, weights, means, covariances)
    return weights, means, covariances, responsibilities, log_likelihood


def converged(previous, current, tol):
    """Whether a log-likelihood changed by no more than this share of itself."""
    return abs(current - previous) <= tol * abs(current)


def failed(log_likelihood):
    """Whether a log-likelihood is no number to go on with."""
    return not np.isfinite(log_likelihood)


def kmeans(x, centers):
    """Centers, each row's nearest one, and the mean squared distance after each assignment."""
    losses = []
    for _ in range(100):
        distances = np.sum((x[:, None, :] - centers) ** 2, axis=2)
        labels = np.argmin(distances, axis=1)
        losses.append(np.mean(np.min(distances, axis=1)))
        if len(losses) > 1 and losses[-1] == losses[-2]:
            break
        moved = [x[labels == j] if np.any(labels == j) else c[None] for j, c in enumerate(centers)]
        centers = np.stack([np.sum(rows, axis=0) / len(rows) for rows in moved])
    return centers, labels, losses


def kernel_regression(x, y, at, bandwidth):
    """Averages of y, weighted by a Gaussian kernel around each place."""
    scaled = (at[:, None] - x) / bandwidth
    return softmax(-(scaled**2) / 2) @ y


def gradient(x1, x2):
    """Both partial derivatives of x1 x2 + sin(x1), as a generator of code would write them."""
    partials = np.empty(2)
    partials[:] = x2 + np.cos(x1), x1
    return partials


class Dual:
    """value + derivative d, where d^2 = 0."""

    def __init__(self, value, derivative=0.0):
        self.value, self.derivative = value, derivative

    def __add__(self, other):
        other = as_dual(other)
        return Dual(self.value + other.value, self.derivative + other.derivative)

    def __neg__(self):
        return Dual(-self.value, -self.derivative)

    def __mul__(self, other):
        other = as_dual(other)
        slope = self.derivative * other.value + self.value * other.derivative
        return Dual(self.value * other.value, slope)

    def __pow__(self, power):
        return Dual(self.value**power, power * self.value ** (power - 1) * self.derivative)

    def __sub__(self, other):
        return self + -as_dual(other)

    def __rsub__(self, other):
        return -self + other

    def __truediv__(self, other):
        return self * as_dual(other) ** -1

    def __rtruediv__(self, other):
        return as_dual(other) / self

    __radd__, __rmul__ = __add__, __mul__

    def sin(self):
        return Dual(np.sin(self.value), np.cos(self.value) * self.derivative)

    def cos(self):
        return Dual(np.cos(self.value), -np.sin(self.value) * self.derivative)

    def exp(self):
        return Dual(np.exp(self.value), np.exp(self.value) * self.derivative)

    def log(self):
        check_domain(self.value)
        return Dual(np.log(self.value), self.derivative / self.value)

    def sqrt(self):
        check_domain(self.value)
        return Dual(np.sqrt(self.value), self.derivative / (2 * np.sqrt(self.value)))


def as_dual(number):
    """A plain number as a constant."""
    return number if isinstance(number, Dual) else Dual(number)


def check_domain(number):
    """Raise where neither log nor the derivative of sqrt exists."""
    if number <= 0:
        raise ValueError(f"log and sqrt need a positive number, got {number}")
