"""Source transformation gives readable programs whose derivatives are those of `jax.grad`."""

import ast
import functools
import math
import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import programs
import pytest
from scipy import ndimage
from test_realizations import SOURCE, assert_agree

from jaxmix import dual
from jaxmix.autodiff import source

MATH = {name: getattr(math, name) for name in programs.FUNCTIONS}

LECTURE_FORWARD = """\
def df(x1, x2, dx1, dx2):
    w3 = x1 * x2
    dw3 = dx1 * x2 + x1 * dx2
    w4 = sin(x1)
    dw4 = cos(x1) * dx1
    w5 = w3 + w4
    dw5 = dw3 + dw4
    return w5, dw5"""

LECTURE_REVERSE = """\
def grad_f(x1, x2, seed=1.0):
    w3 = x1 * x2
    w4 = sin(x1)
    w5 = w3 + w4
    x1_bar = x2_bar = w3_bar = w4_bar = 0.0
    w5_bar = seed
    w3_bar += w5_bar
    w4_bar += w5_bar
    x1_bar += cos(x1) * w4_bar
    x1_bar += w3_bar * x2
    x2_bar += x1 * w3_bar
    return w5, (x1_bar, x2_bar)"""


@pytest.mark.parametrize(
    ("mode", "text"), [("forward", LECTURE_FORWARD), ("reverse", LECTURE_REVERSE)]
)
def test_the_lectures_function_reads_as_in_the_lecture(mode, text):
    f = programs.load(programs.NAMED["the lecture's function"][0], MATH)
    assert source.transform(f, mode).source == text


@pytest.mark.parametrize("name", ["nested loops", "a swap", "while, if and return nested"])
def test_adjoints_are_finite_differences(name):
    text, arguments = programs.NAMED[name]
    f, step = programs.load(text, MATH), 1e-6
    _, adjoints = source.transform(f, "reverse")(*arguments)
    for k, adjoint in enumerate(adjoints):
        up, down = list(arguments), list(arguments)
        up[k] += step
        down[k] -= step
        assert adjoint == pytest.approx((f(*up) - f(*down)) / (2 * step), rel=1e-6)


UNARY = {
    **dict.fromkeys(["sin", "cos", "tan", "exp", "expm1", "exp2", "sinh", "cosh", "tanh"], 0.6),
    **dict.fromkeys(["log", "log1p", "log2", "log10", "sqrt", "cbrt", "acosh", "fabs"], 1.7),
    **dict.fromkeys(["asin", "acos", "atan", "asinh", "atanh", "degrees", "radians"], -0.4),
    **dict.fromkeys(["erf", "erfc"], 0.3),
}
OPERATORS = ["+", "-", "*", "/", "**", "%"]


def derivative_of(expression, arguments, **names):
    text = f"def f({', '.join('xy'[: len(arguments)])}):\n    return {expression}\n"
    f = programs.load(text, names)
    _, tangents = programs.forward_gradient(source.transform(f), arguments)
    _, adjoints = source.transform(f, "reverse")(*arguments)
    np.testing.assert_allclose(tangents, adjoints, rtol=1e-15)
    return tangents


@pytest.mark.parametrize("name", UNARY)
def test_every_function_of_one_number_has_its_derivative(name):
    at, of_jax = UNARY[name], getattr(jnp, name, getattr(jax.scipy.special, name, jnp.abs))
    [derivative] = derivative_of(f"math.{name}(x)", (at,), math=math)
    np.testing.assert_allclose(derivative, jax.grad(of_jax)(at), rtol=1e-13)


@pytest.mark.parametrize("operator", OPERATORS)
@pytest.mark.parametrize(("x", "y"), [(2.3, 1.4), (3.7, -1.6)])
def test_every_operator_has_its_derivative(operator, x, y):
    def of_jax(x, y):
        return eval(f"x {operator} y")

    expected = jax.grad(of_jax, (0, 1))(x, y)
    np.testing.assert_allclose(derivative_of(f"x {operator} y", (x, y)), expected, rtol=1e-13)


@pytest.mark.parametrize(
    ("expression", "same"),
    [
        ("np.arctan2(x, y) + np.hypot(x, y)", "jnp.arctan2(x, y) + jnp.hypot(x, y)"),
        ("np.absolute(x - y) * np.power(x, y)", "jnp.abs(x - y) * x ** y"),
        ("np.maximum(x, y) - jnp.minimum(x, 2 * y)", "y - x"),
        ("pow(x, 2) * math.pi + float(y) + (+x) // y", "x ** 2 * jnp.pi + y"),
        (
            "x ** 0 + x ** 1 + x ** -1 + x ** 0.5 + 1 * y + 2 ** x",
            "1 + x + 1 / x + x**0.5 + y + 2**x",
        ),
        ("(x > y) * x + (y > x) * y * round(x + 0.1)", "y * 1"),
    ],
)
def test_names_of_numpy_and_jax_mean_those_of_math(expression, same):
    names = {"np": np, "jnp": jnp, "math": math}
    expected = jax.grad(lambda x, y: eval(same, {"x": x, "y": y, "jnp": jnp}), (0, 1))(0.8, 1.9)
    found = derivative_of(expression, (0.8, 1.9), **names)
    np.testing.assert_allclose(found, expected, rtol=1e-13)


def test_powers_with_a_counter_are_differentiated_at_zero():
    text = "def f(x):\n    y = 0.0\n    for i in range(4):\n        y += x ** i\n    return y\n"
    f = programs.load(text, {})
    assert source.transform(f)(0.0, 1.0) == (1.0, 1.0)
    assert source.transform(f, "reverse")(0.0) == (1.0, (1.0,))


ENTRIES = {
    "a rule": ("i = x[i] * 1", [1, 0, 4]),
    "a helper": ("i = same(x[i])", [1, 0, 4]),
    "a helper in a loop": ("for k in range(2):\n        i = same(x[i])", [0, 10, 25]),
}


@pytest.mark.parametrize("name", ENTRIES)
def test_an_index_may_be_overwritten_by_its_entry(name):
    line, adjoint = ENTRIES[name]
    body = f"i = 0\n    {line}\n    return x[i] * x[i] * i"
    f = programs.load(f"def same(v):\n    return v * 1\n\ndef f(x):\n    {body}\n", {})
    assert source.transform(f, "reverse")([2, 5, 1])[1] == (adjoint,)


POWER = "def power(x, n):\n    return x ** n\n\ndef f(x):\n    return power(x, 2)\n"


def test_powers_of_negative_numbers_have_a_slope_by_the_base():
    f = programs.load(POWER, {})
    assert source.transform(f)(-3.0, 1.0) == (9.0, -6.0)
    assert source.transform(f, "reverse")(-3.0) == (9.0, (-6.0,))
    power = f.__globals__["power"]
    assert source.transform(power)(-3.0, 2, 1.0, 0.0) == (9.0, -6.0)
    assert math.isnan(source.transform(power)(-3.0, 2, 1.0, 1.0)[1])
    _, (by_base, by_exponent) = source.transform(power, "reverse")(-3.0, 2)
    assert by_base == -6.0
    assert math.isnan(by_exponent)


TESTED = """
def half(c, n):
    total = 0.0
    for i in range(n):
        old, total = total, total + c[i] / 2
    return total

def root(c):
    "The square root of half a sum."
    return np.sqrt(half(c, len(c)))

def f(c):
    if root(c) > 1:
        return c[0]
    return c[1] * 3
"""
VALUES = """\
def value_half(c, n):
    total = 0.0
    for i in range(n):
        old, total = (total, total + c[i] / 2)
    return total


def value_root(c):
    return sqrt(value_half(c, len(c)))"""


@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_a_helper_in_a_test_needs_no_derivative(mode):
    derivative = source.transform(programs.load(TESTED, {"np": np}), mode)
    assert derivative.source.startswith(VALUES)
    seed, slopes = ([0.0, 1.0], 3.0) if mode == "forward" else (1.0, ([0.0, 3.0],))
    assert derivative([0.0, 0.0], seed) == (0.0, slopes)


def test_constant_factors_leave_no_trace_of_a_derivative():
    text = "def f(x1):\n    y = 2 * x1 + 1\n    return y ** 3 - y ** 2\n"
    lines = source.transform(programs.load(text, {})).source.splitlines()
    assert [line.strip() for line in lines if line.strip().startswith("d")][1:] == [
        "dw2 = 2 * dx1",
        "dy = dw2",
        "dw3 = 3 * y ** 2 * dy",
        "dw4 = 2 * y * dy",
        "dw5 = dw3 - dw4",
    ]


@pytest.mark.parametrize("name", programs.NAMED)
@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_programs_import_nothing_but_math(name, mode):
    module = source.transform(programs.load(programs.NAMED[name][0], MATH), mode).module()
    nodes = list(ast.walk(ast.parse(module)))
    assert not any(isinstance(node, ast.Import) for node in nodes)
    assert {node.module for node in nodes if isinstance(node, ast.ImportFrom)} <= {"math"}
    assert not any(word in module for word in ("Dual", "jax", "numpy", "jnp"))


def test_modules_run_on_the_standard_library_alone():
    for name in ("the lecture's function", "constants of the module", "a helper called twice"):
        text, arguments = programs.NAMED[name]
        derivative = source.transform(programs.load(text, MATH), "reverse")
        script = f"{derivative.module()}\n\nprint(grad_f(*{arguments!r}))"
        command = [sys.executable, "-I", "-S", "-c", script]
        ran = subprocess.run(command, capture_output=True, text=True, check=True)
        assert ast.literal_eval(ran.stdout) == derivative(*arguments)


EDGES = {
    "a loop variable overwritten by a loop": """
for i in range(3):
    for i in range(2):
        x = x * (i + 1)
    x = x * (i + y)
return x""",
    "a bound that its loop changes": """
n = 2
for i in range(n):
    n = n + 1
    x = x * n * y
return x * n""",
    "a loop that never ends by itself": """
while True:
    x = x * 1.1
    if x > 3:
        return x * x * y
    if x > 2.9:
        continue
    x = x + 0.1 * y""",
    "a loop on a number": """
while 1:
    x = x * 1.1
    if x > 3:
        return x * y""",
    "an operand overwritten by its own result": """
x = x * x
x = exp(-x)
x = x / x + y * x
x = x if x > 0 else -x
return x""",
    "chained assignment": "a = b = x * y\nb *= a\nreturn a * b",
    "nothing behind a return": "if x > 9:\n    return x\nelse:\n    return x * y\nreturn y",
    "signs": "return -x ** 2 - (x - (y - -x)) * -3 / (x / y) + (-x) ** 2",
    "truth as a number": "flag = x > y\nreturn (3 if flag else 4) * x + (not x) * y + flag * y",
    "a counter in an exponent": """
k = 0
while y > 0.1:
    y = y / 2
    k = k + 1
return x ** k * y""",
    "the returned variable restored": "while x < 9:\n    x = x * x + y\nreturn x",
}


@pytest.mark.parametrize("name", EDGES)
def test_the_edges_of_the_grammar_agree_with_jax(name):
    lines = EDGES[name].strip().splitlines()
    text = "\n".join(["def f(x, y):", *("    " + line for line in lines), ""])
    assert_agree(text, (1.3, 0.8), SOURCE)


CLASHES = {
    "temporaries": "w3 = x * y\nw4 = sin(w3 * x)\nreturn w3 * w4 + x * y",
    "tangents": "dx = x * y\ndy = dx * x\nreturn dy * dx * y",
    "adjoints": "x_bar = x * y\ny_bar = x_bar * x\nreturn y_bar * x_bar",
    "machinery": "stack = x\nfor i in range(2):\n    stack *= y\nseed = stack * x\nreturn seed",
    "flags": """
left = x
value = y
count1 = x
_ = x
while left < 9:
    left = left * 2 + value
    branch1 = left * y
    if left * branch1 > 5:
        left = left * left
        return left * count1 * _
    value = value + left
return value""",
    "Python's words": "ist = x * y\nel = ist * x\nivmod = el * y\nreturn ivmod * el * ist",
}


@pytest.mark.parametrize("name", CLASHES)
def test_names_of_the_program_hide_no_names_of_the_derivative(name):
    lines = CLASHES[name].strip().splitlines()
    text = "\n".join(["def f(x, y):", *("    " + line for line in lines), ""])
    assert_agree(text, (0.7, 1.1), SOURCE)


REFUSED = {
    "a comprehension": ("y = [x for i in range(3)]", "comprehension"),
    "a list": ("y = [x, x]", "a list"),
    "try": ("try:\n        pass\n    except ValueError:\n        pass", "try"),
    "with": ("with x:\n        pass", "with"),
    "lambda": ("y = lambda z: z", "lambda"),
    "global": ("global z", "global"),
    "an import": ("import math", "import"),
    "a function": ("def g(z):\n        return z", "function inside"),
    "assert": ("assert x > 0", "assert"),
    "raise": ("raise ValueError", "raise"),
    "a walrus": ("y = (z := x)", "assignment inside"),
    "text": ("y = 'x'", "no real number"),
    "a complex number": ("y = 1j", "no real number"),
    "an unknown function": ("y = print(x)", "unknown function"),
    "a reduction": ("y = np.max(x)", "unknown function"),
    "a reduction of dual numbers": ("y = dual.max(x, 0)", "unknown function"),
    "a function named like math's": ("y = erf(x)", "unknown function"),
    "a function of arrays": ("y = ndimage.maximum(x, x)", "unknown function"),
    "a function of another module": ("y = os.getcwd()", "unknown function"),
    "an undefined name": ("y = x * nowhere", "undefined name"),
    "a keyword": ("y = helper(a=x)", "keyword"),
    "a star": ("y = helper(*x)", "star"),
    "too many arguments": ("y = sin(x, x)", "2 arguments"),
    "too few arguments": ("y = helper()", "0 arguments"),
    "an attribute": ("y = x.real", "use of a variable"),
    "an attribute of an object": ("y = thing.rate", "attribute"),
    "an object": ("y = thing * x", "no number"),
    "an array": ("y = array * x", "no number"),
    "an assignment to an entry": ("x[0] = 1.0", "part"),
    "a slice": ("y = x[1:]", "slice"),
    "a list as a number": ("y = x[0] * x", "list as a number"),
    "a list overwritten": ("y = x[0]\n    x = y  # here", "assignment to a list"),
    "an entry of a variable": ("y = x\n    y = y[0]  # here", "no argument"),
    "a number as a list": ("y = x * 2\n    y = total(y)  # here", "no list"),
    "unpacking": ("y, z = x", "unpacking"),
    "a loop over a list": ("for y in x:\n        pass", "loop over"),
    "a loop's else": ("for i in range(2):\n        pass\n    else:\n        pass", "else"),
    "and of numbers": ("y = x and 2.0", "and, or"),
    "max of three": ("y = max(x, 1, 2)", "more than two"),
    "matrix product": ("y = x @ x", "operator"),
    "identity": ("y = 1 if x is x else 2", "operator"),
    "two results": ("if x > 0:\n        return x, x  # here", "anything but one number"),
    "no result": ("if x > 0:\n        return  # here", "anything but one number"),
    "recursion": ("y = f(x)", "recursion"),
    "a yield": ("yield x", "without an effect"),
}
HEAD = """
def helper(a):
    return a * a

def total(c):
    return c[0] + c[1]

def f(x):
"""


class Thing:
    rate = 2.0


@np.vectorize
def erf(x):
    return 3 * x


OBJECTS = {"thing": Thing(), "array": np.ones(2), "erf": erf}


@pytest.mark.parametrize("mode", ["forward", "reverse"])
@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_transformed_is_refused_with_its_line(name, mode):
    body, words = REFUSED[name]
    names = {**MATH, **OBJECTS, "np": np, "os": os, "dual": dual, "ndimage": ndimage}
    f = programs.load(f"{HEAD}    y = 1.0\n    {body}\n    return y\n", names)
    line = 10 + body.partition("# here")[0].count("\n") * ("# here" in body)
    with pytest.raises(source.SourceError, match=rf"line {line}: .*{words}") as refused:
        source.transform(f, mode)
    assert "; " in str(refused.value)


def closed_over(rate):
    def f(x):
        return rate * x

    return f


def test_functions_without_plain_source_are_refused():
    nowhere = {}
    exec("def f(x):\n    return x\n", nowhere)
    with pytest.raises(source.SourceError, match="cannot be found; define"):
        source.transform(nowhere["f"])
    for function in (math.sin, jnp.sin):
        with pytest.raises(source.SourceError, match="has no source to transform"):
            source.transform(function)
    with pytest.raises(source.SourceError, match=r"line 2: .*a lambda; write"):
        source.transform(programs.load("\nf = lambda x: x\n", {}))
    with pytest.raises(source.SourceError, match="closure over 'rate'"):
        source.transform(closed_over(2.0))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("def f(x, y=1):\n    return x\n", "line 1: .*default"),
        ("def f(*x):\n    return 1\n", "line 1: .*star"),
        ("def f(x, *, y):\n    return x\n", "line 1: .*star"),
        ("def f(x):\n    if x > 0:\n        return x\n", "line 1: .*path without a return"),
        ("def f(cos):\n    return math.sin(cos)\n", "line 1: .*'cos'.*rename"),
        ("cos = 3\ndef f(x):\n    return math.sin(cos * x)\n", "line 2: .*'cos'.*rename"),
        (
            "@functools.wraps(abs)\ndef g(x):\n    return x\n\ndef f(x):\n    return g(x)\n",
            "line 1: .*a wrapper of abs",
        ),
        (
            "exp2 = 2.0\n\ndef h(x):\n    return exp2 * x\n\n"
            "def f(x):\n    return h(x) + math.exp2(x)\n",
            "line 6: .*'exp2'.*rename",
        ),
        ("def same(f):\n    return f\n\n@same\ndef f(x):\n    return x\n", "line 5: .*decorated"),
    ],
)
def test_signatures_and_names_that_mislead_are_refused(text, words):
    f = programs.load(text, {"math": math, "functools": functools})
    with pytest.raises(source.SourceError, match=words):
        source.transform(f)


INDENTED = '''
if True:
    def f(x):
        """Text
at the margin."""
# and a comment
        y = [x]
        return y
'''


def test_indented_functions_may_have_lines_at_the_margin():
    f = programs.load(INDENTED.replace("[x]", "x * x"), {})
    assert source.transform(f)(3.0, 1.0) == (9.0, 6.0)
    with pytest.raises(source.SourceError, match=r"line 7: .*a list"):
        source.transform(programs.load(INDENTED, {}))


LONG = {
    "a sum": ("return " + " + ".join(["x"] * 800), 2),
    "a chain of elifs": (
        "if x < 0:\n        x = 0\n" + "    elif x < 1:\n        x = 1\n" * 300,
        602,
    ),
    "returns": ("if x < 1:\n        return x\n    x = x - 1\n    " * 120, 2),
}


@pytest.mark.parametrize("name", LONG)
def test_what_is_nested_too_deeply_is_refused_with_its_line(name):
    body, line = LONG[name]
    f = programs.load(f"def f(x):\n    {body}\n    return x\n", {})
    with pytest.raises(source.SourceError, match=f"line {line}: .* so .*; split it"):
        source.transform(f, "reverse")


@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_constants_may_be_larger_than_any_float(mode):
    text = "HUGE = 10 ** 400\n\ndef f(x):\n    return x * x if x < HUGE else x\n"
    derivative = source.transform(programs.load(text, {}), mode)
    assert derivative(3.0, 1.0)[0] == 9.0
    assert f"HUGE = {10**400}" in derivative.module()


def test_an_unknown_mode_is_answered_with_a_suggestion():
    f = programs.load(programs.NAMED["a branch"][0], MATH)
    with pytest.raises(ValueError, match="unknown mode 'revers'; did you mean 'reverse'"):
        source.transform(f, "revers")
