"""Linear algebra of dual numbers: products by the product rule, factorizations by rules of theirs.

With A X = B: A X' = B' - A' X; with A = L L': L^-1 A' L^-T has the lower half L^-1 L'; and
(log |det A|)' = tr(A^-1 A') (notes/dual.md, eq. 8 to 10).
"""

import math
from typing import Any

import numpy as np

from jaxmix.dual.arrays import (
    aligned,
    home_of,
    moveaxis,
    opened,
    reshape,
    shape,
    sum,
    swapaxes,
)
from jaxmix.dual.core import FUNCTIONS, Dual, multiply, sqrt


def matmul(a: Any, b: Any) -> Any:
    """The matrix product a @ b, of vectors, matrices or stacks of matrices."""
    tag, (a, b), (da, db) = opened(a, b)
    if tag is None:
        return home_of(a, b).matmul(a, b)
    value = matmul(a, b)
    row, column = len(shape(a)) == 1, len(shape(b)) == 1
    a, b = a[None, :] if row else a, b[:, None] if column else b
    rank, terms = max(len(shape(a)), len(shape(b))), []
    if da is not None:
        terms.append(matmul(aligned(da[:, None, :] if row else da, rank), b))
    if db is not None:
        terms.append(matmul(a, aligned(db[:, :, None] if column else db, rank)))
    total = terms[0] if len(terms) == 1 else terms[0] + terms[1]
    return Dual(value, reshape(total, (len(total), *shape(value))), tag)


def dot(a: Any, b: Any) -> Any:
    """NumPy's dot: a product of numbers, vectors and matrices; stacks take matmul."""
    if not shape(a) or not shape(b):
        return multiply(a, b)
    if len(shape(b)) > 2:
        raise TypeError(f"dot takes vectors and matrices, got shape {shape(b)}; see matmul")
    return matmul(a, b)


def outer(a: Any, b: Any) -> Any:
    """All products a_i b_j."""
    return reshape(a, (-1, 1)) * reshape(b, (1, -1))


def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    """The Euclidean norm, of all entries or along an axis."""
    if ord is not None:
        raise TypeError(f"norm is the Euclidean one, got ord={ord!r}; write another by its formula")
    return sqrt(sum(x * x, axis=axis, keepdims=keepdims))


def solve(a: Any, b: Any) -> Any:
    """x with a x = b, for a matrix a [n n] and b [n] or [n r]."""
    if len(shape(a)) != 2 or len(shape(b)) not in (1, 2):
        raise TypeError(f"solve takes [n n] and [n] or [n r], got {shape(a)} and {shape(b)}")
    tag, (a, b), (da, db) = opened(a, b)
    if tag is None:
        return home_of(a, b).linalg.solve(a, b)
    x = solve(a, b)
    right = 0.0 if da is None else -matmul(da, x)
    return Dual(x, _solve_each(a, right if db is None else db + right), tag)


def _solve_each(a: Any, right: Any) -> Any:
    """a^-1 times every partial [m n] or [m n r], by one solve for all of them."""
    columns = moveaxis(right, 0, -1)
    solved = solve(a, reshape(columns, (shape(columns)[0], math.prod(shape(columns)[1:]))))
    return moveaxis(reshape(solved, shape(columns)), -1, 0)


def cholesky(a: Any) -> Any:
    """The lower factor L of a symmetric positive definite matrix, a = L L'."""
    if len(shape(a)) != 2:
        raise TypeError(f"cholesky takes a matrix [n n], got shape {shape(a)}")
    tag, (a,), (da,) = opened(a)
    if tag is None:
        return home_of(a).linalg.cholesky((a + a.T) / 2)
    factor = cholesky(a)
    left = _solve_each(factor, (da + swapaxes(da, 1, 2)) / 2)
    both = _solve_each(factor, swapaxes(left, 1, 2))
    half = np.tril(np.ones(shape(a))) - np.eye(len(a)) / 2
    return Dual(factor, matmul(factor, swapaxes(both, 1, 2) * half.astype(factor.dtype)), tag)


def slogdet(a: Any) -> tuple[Any, Any]:
    """The sign of the determinant, and the logarithm of its size."""
    if len(shape(a)) != 2:
        raise TypeError(f"slogdet takes a matrix [n n], got shape {shape(a)}")
    tag, (a,), (da,) = opened(a)
    if tag is None:
        sign, size = home_of(a).linalg.slogdet(a)
        return sign, size
    sign, size = slogdet(a)
    diagonal = np.eye(shape(a)[0], dtype=da.dtype)
    return sign, Dual(size, sum(_solve_each(a, da) * diagonal, axis=(1, 2)), tag)


for _function in (matmul, dot, outer, norm, solve, cholesky, slogdet):
    FUNCTIONS[_function.__name__] = _function
setattr(Dual, "dot", dot)  # noqa: B010 - methods come from outside, as in methods.py
