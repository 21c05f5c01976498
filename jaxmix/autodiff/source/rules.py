"""The derivative of every operation, written once as source for both modes.

A rule gives one template per operand: with operands a and b, result r and incoming derivative d,
sin's `cos(a) * d` is a forward term with a's tangent and a reverse term with the result's adjoint.
At kinks (abs at 0, ties of max and min, integers of %) the programs take one side, as
`notes/autodiff.md` says.
"""

import ast
import math
import sys
from typing import Any, NamedTuple

from jaxmix.autodiff.source.code import expression, identifiers, name

OPERATORS: dict[type[ast.AST], tuple[str, ...]] = {
    ast.Add: ("d", "d"),
    ast.Sub: ("d", "-d"),
    ast.Mult: ("d * b", "a * d"),
    ast.Div: ("d / b", "-(r * d / b)"),
    ast.Mod: ("d", "-(a // b * d)"),
    ast.USub: ("-d",),
}

FUNCTIONS: dict[str, tuple[str, ...]] = {
    "abs": ("((a > 0) - (a < 0)) * d",),
    "acos": ("-(d / sqrt((1 - a) * (1 + a)))",),
    "acosh": ("d / sqrt((a - 1) * (a + 1))",),
    "asin": ("d / sqrt((1 - a) * (1 + a))",),
    "asinh": ("d / hypot(1, a)",),
    "atan": ("d / (1 + a ** 2)",),
    "atan2": ("b * d / (a ** 2 + b ** 2)", "-(a * d / (a ** 2 + b ** 2))"),
    "atanh": ("d / ((1 - a) * (1 + a))",),
    "cbrt": ("d / (3 * r ** 2)",),
    "cos": ("-(sin(a) * d)",),
    "cosh": ("sinh(a) * d",),
    "degrees": ("degrees(d)",),
    "erf": (f"{2 / math.sqrt(math.pi)!r} * exp(-a ** 2) * d",),
    "erfc": (f"-({2 / math.sqrt(math.pi)!r} * exp(-a ** 2) * d)",),
    "exp": ("r * d",),
    "exp2": ("log(2) * r * d",),
    "expm1": ("exp(a) * d",),
    "fabs": ("((a > 0) - (a < 0)) * d",),
    "float": ("d",),
    "hypot": ("a * d / r", "b * d / r"),
    "log": ("d / a",),
    "log10": ("d / (log(10) * a)",),
    "log1p": ("d / (1 + a)",),
    "log2": ("d / (log(2) * a)",),
    "radians": ("radians(d)",),
    "sin": ("cos(a) * d",),
    "sinh": ("cosh(a) * d",),
    "sqrt": ("d / (2 * r)",),
    "tan": ("(1 + r ** 2) * d",),
    "tanh": ("(1 - r ** 2) * d",),
}

STEPWISE = ("bool", "ceil", "floor", "int", "len", "round", "trunc")
"""Functions whose derivative is 0 wherever they have one."""

CHOICES = {"max": ast.Gt(), "min": ast.Lt()}
"""The second of two operands is taken where it compares so with the first, as in Python."""

ARITIES = {
    **{called: len(templates) for called, templates in FUNCTIONS.items()},
    **dict.fromkeys(STEPWISE, 1),
    **dict.fromkeys((*CHOICES, "pow"), 2),
}

NUMPY = {
    **{f"arc{short}": f"a{short}" for short in ("sin", "cos", "tan", "tan2", "sinh", "cosh")},
    **{"arctanh": "atanh", "absolute": "abs", "power": "pow"},
    **{"maximum": "max", "minimum": "min"},
}

LIBRARIES = (
    *("builtins", "math", "numpy", "scipy.special", "jaxmix.dual"),
    *("jax.numpy", "jax.scipy.special", "jax.lax", "jax.nn"),
)
"""Where known functions come from; max and min of arrays are no functions of two numbers."""


class Term(NamedTuple):
    """What one operand adds to a derivative, given the derivative that comes in."""

    operand: ast.expr
    template: str
    parts: dict[str, ast.expr]

    def of(self, incoming: ast.expr) -> ast.expr:
        """The template filled in, without factors of 1."""
        return _Simplifier().visit(expression(self.template, **self.parts, d=incoming))


def known_name(called: Any) -> str | None:
    """The name in `ARITIES` of a function of Python, `math`, NumPy, SciPy, JAX or jaxmix.

    It goes by the very function that a library has under the name, not by what a program calls it.

    Example:
        >>> known_name(math.sin), known_name(print)
        ('sin', None)
    """
    given = getattr(called, "__name__", "")
    known = NUMPY.get(given, given)
    homes = ("builtins",) if given in CHOICES else LIBRARIES
    same = (getattr(sys.modules.get(home), given, None) is called for home in homes)
    return known if known in ARITIES and any(same) else None


def terms(value: ast.expr, result: str) -> list[Term]:
    """The terms of an operation, one per operand.

    Args:
        value: one operation on variables and passive expressions, or a variable alone.
        result: the variable that holds the operation's value.

    Example:
        >>> [term] = terms(expression("exp(x)"), "w2")
        >>> ast.unparse(term.of(name("dx")))
        'w2 * dx'
    """
    operands, templates = _operands(value), _templates(value)
    parts = dict(zip("ab", operands)) | {"r": name(result)}
    return [Term(operand, template, parts) for operand, template in zip(operands, templates)]


def calls_helper(value: ast.expr) -> bool:
    """Whether an active value is the call of a helper, which no rule is written for."""
    return isinstance(value, ast.Call) and not identifiers(value.func) & FUNCTIONS.keys()


def uses_result(value: ast.expr) -> bool:
    """Whether a term of the operation refers to the operation's value."""
    return not calls_helper(value) and any(
        "r" in identifiers(ast.parse(template)) for template in _templates(value)
    )


def total(parts: list[ast.expr]) -> ast.expr:
    """The sum of some terms, as a person would write it.

    Example:
        >>> ast.unparse(total([expression("-(s * dx)"), expression("-dy")]))
        '-s * dx - dy'
    """
    if not parts:
        return ast.Constant(0.0)
    negative = negated(parts[0])
    summed = _negative(negative) if negative else parts[0]
    for part in parts[1:]:
        negative = negated(part)
        sign = ast.Sub() if negative else ast.Add()
        summed = ast.BinOp(summed, sign, negative or part)
    return summed


def negated(node: ast.expr) -> ast.expr | None:
    """The expression behind a minus sign, if there is one."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return node.operand
    return None


def number(node: ast.expr) -> float | None:
    """The value of a written number, with its sign."""
    negative = negated(node)
    if negative:
        size = number(negative)
        return None if size is None else -size
    if isinstance(node, ast.Constant) and isinstance(node.value, (int, float)):
        return node.value
    return None


def _operands(value: ast.expr) -> list[ast.expr]:
    if isinstance(value, ast.BinOp):
        return [value.left, value.right]
    if isinstance(value, ast.UnaryOp):
        return [value.operand]
    return value.args if isinstance(value, ast.Call) else [value]


def _templates(value: ast.expr) -> tuple[str, ...]:
    if isinstance(value, ast.BinOp) and isinstance(value.op, ast.Pow):
        return _power(number(value.left), number(value.right))
    if isinstance(value, (ast.BinOp, ast.UnaryOp)):
        return OPERATORS[type(value.op)]
    if isinstance(value, ast.Call):
        assert isinstance(value.func, ast.Name)
        return FUNCTIONS[value.func.id]
    return ("d",)


def _power(base: float | None, exponent: float | None) -> tuple[str, str]:
    """Guarded where 0 ** -1 or log(0) would stand beside a factor that is 0.

    A power of a negative base has no slope by its exponent: nan, unless nothing asks for it.
    """
    by_base = "(b * a ** (b - 1) if b else 0.0) * d"
    by_exponent = "log(a) * r * d"
    if base is None or base <= 0:
        by_exponent += " if a > 0 else float('nan') if a and d else 0.0"
    if exponent is not None:
        short = {1.0: "1", 2.0: "a"}
        power = short.get(exponent, f"a ** {exponent - 1!r}")
        by_base = f"{abs(exponent)!r} * {power} * d"
        by_base = f"-({by_base})" if exponent < 0 else by_base
    return by_base, by_exponent


class _Simplifier(ast.NodeTransformer):
    """Drops factors of 1."""

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        left, right = self.visit(node.left), self.visit(node.right)
        if isinstance(node.op, (ast.Mult, ast.Div)) and number(right) == 1:
            return left
        if isinstance(node.op, ast.Mult) and number(left) == 1:
            return right
        return ast.BinOp(left, node.op, right)


def _negative(node: ast.expr) -> ast.expr:
    """The minus stands at the leftmost factor: -sin(x) * dx."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Mult, ast.Div)):
        return ast.BinOp(_negative(node.left), node.op, node.right)
    return ast.UnaryOp(ast.USub(), node)
