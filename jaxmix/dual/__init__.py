"""Forward-mode automatic differentiation from scratch, on dual numbers; imports nothing of jaxmix.

core.py is the lecture: dual numbers, their arithmetic, derivative and gradient. rules.py is the
table of all elementwise functions, arrays.py and linalg.py work on whole arrays, methods.py is what
arrays have, transforms.py has Jacobians and Hessians, taylor.py higher derivatives, pytree.py the
way through jax. Derivations: notes/dual.md.
"""

# ruff: noqa: F401 - these are the public names, listed in notes/dual.md too

from jaxmix.dual import methods as _methods
from jaxmix.dual import pytree as _pytree
from jaxmix.dual.arrays import (
    broadcast_to,
    concatenate,
    cumsum,
    expand_dims,
    logsumexp,
    max,
    mean,
    min,
    moveaxis,
    ones_like,
    prod,
    ravel,
    reshape,
    squeeze,
    stack,
    sum,
    swapaxes,
    transpose,
    where,
    zeros_like,
)
from jaxmix.dual.core import (
    Dual,
    add,
    cos,
    derivative,
    divide,
    exp,
    gradient,
    log,
    multiply,
    negative,
    power,
    sin,
    sqrt,
    subtract,
)
from jaxmix.dual.linalg import cholesky, dot, matmul, norm, outer, slogdet, solve
from jaxmix.dual.rules import (
    absolute,
    arccos,
    arccosh,
    arcsin,
    arcsinh,
    arctan,
    arctan2,
    arctanh,
    cbrt,
    ceil,
    clip,
    cosh,
    digamma,
    erf,
    erfc,
    exp2,
    expm1,
    floor,
    floor_divide,
    hypot,
    lgamma,
    log1p,
    log2,
    log10,
    logaddexp,
    maximum,
    minimum,
    polygamma,
    positive,
    reciprocal,
    remainder,
    rint,
    sigmoid,
    sign,
    sinc,
    sinh,
    softplus,
    square,
    tan,
    tanh,
    trunc,
)
from jaxmix.dual.rules import absolute as abs
from jaxmix.dual.rules import remainder as mod
from jaxmix.dual.taylor import Taylor, taylor
from jaxmix.dual.transforms import hessian, jacobian, jvp
