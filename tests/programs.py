"""Programs that every realization of automatic differentiation runs, as text.

A program defines f and looks elementary functions up by name, so that one text runs with the
functions of `math`, of `jax.numpy` or of a realization under test in its namespace.
"""

import linecache
import random
from collections.abc import Callable
from itertools import count
from typing import Any

import jax
import numpy as np

FUNCTIONS = ("sin", "cos", "exp", "log", "sqrt", "tanh")
"""The elementary functions that the programs call."""

NAMED: dict[str, tuple[str, tuple[Any, ...]]] = {
    "the lecture's function": (
        """
def f(x1, x2):
    return x1*x2 + sin(x1)
""",
        (0.7, -1.3),
    ),
    "nested loops": (
        """
def f(x, y):
    total = 0.0
    for i in range(3):
        for j in range(i, 4):
            total = total + (i + 1) * sin(x * j) * y
        y = y * cos(total)
    return total * y
""",
        (0.4, 1.2),
    ),
    "a while loop whose length depends on the value": (
        """
def f(x):
    root = x
    while abs(root * root - x) > 1e-13:
        root = (root + x / root) / 2
    return root
""",
        (7.0,),
    ),
    "a branch": (
        """
def f(x, y):
    if x > 1 and y > 0:
        z = log(x) * y
    elif x > 0:
        z = x ** 3 - y
    else:
        z = -x / y
    return z * x
""",
        (0.6, 1.5),
    ),
    "a variable reassigned": (
        """
def f(x, y):
    a = x * y
    b = sin(a)
    a = a * b + x
    x = exp(-x)
    return a * b * x
""",
        (0.8, 0.3),
    ),
    "a helper called twice": (
        """
def area(a, b):
    if a < b:
        return a * b ** 2
    return sqrt(a) / b

def f(x, y):
    return area(x, y) * area(y, x * 2) + area(1.5, y)
""",
        (0.9, 1.4),
    ),
    "an early return": (
        """
def f(x):
    y = x
    for i in range(10):
        y = y * 1.5
        if y > 3:
            return sin(y) * i
    return y
""",
        (0.7,),
    ),
    "an unused variable": (
        """
def f(x, y, z):
    unused = exp(x) / y
    return x * tanh(y)
""",
        (0.3, 0.8, 2.0),
    ),
    "indexing": (
        """
def f(x, scale):
    total = x[0] * scale
    for i in range(1, len(x)):
        total += x[i] * x[i - 1] ** 2
    return total / x[-1]
""",
        ([0.5, 1.5, -0.7, 2.0], 1.3),
    ),
    "a constant result": (
        """
def f(x):
    y = sin(x)
    return 3.0
""",
        (0.4,),
    ),
    "a loop variable overwritten": (
        """
def f(x):
    y = x
    for i in range(4):
        y = y * (i + x)
        i = i * y
        y = y + sin(i)
    for i in range(1, 3):
        y = y / (i + 1)
    return y * i
""",
        (0.35,),
    ),
    "nested loops over one variable": (
        """
def f(x):
    for i in range(2):
        for i in range(3):
            x = x * 1.5
        x = x * (i - 0.5)
    return x * x + i
""",
        (1.1,),
    ),
    "while, if and return nested": (
        """
def f(x, y):
    k = 0
    while x < 40:
        k = k + 1
        while y < k:
            y = y * 1.7 + x / 9
            if y > 6:
                return x * y ** 2
        if k % 2 == 0:
            x = x * 1.3 + sin(y)
        else:
            x = x + y
    return x
""",
        (0.6, 0.9),
    ),
    "break and continue": (
        """
def f(x):
    total = 0.0
    for i in range(6):
        if i % 2 == 1:
            x = x * 1.1
            continue
        for j in range(5):
            if j > i:
                break
            total += x ** j
        if total > 30:
            break
        total = total * x
    return total * x
""",
        (1.2,),
    ),
    "set in one branch only": (
        """
def f(x, y):
    for i in range(3):
        if i > 0:
            z = x * y
            y = sin(z) + i
        x = x * 0.9
    if x > 0:
        late = x * x
        y = y * late
    return y * z
""",
        (0.8, 1.1),
    ),
    "conditional expressions": (
        """
def f(x, y):
    z = x * 2 if x > y else (y * x if y > 3 else y ** 2)
    return max(z, x) * min(sin(z), y) + abs(x - y)
""",
        (0.5, 1.7),
    ),
    "a swap": (
        """
def f(x, y):
    for i in range(3):
        x, y = y * 0.5, x + sin(y)
    x, y = y, x
    x -= y
    x /= 1 + y ** 2
    return x ** y
""",
        (1.3, 0.9),
    ),
    "constants of the module": (
        """
RATE = 0.25
STEPS = 3

def f(x: float, y: float) -> float:
    "Annotations and text do not matter."
    z: float = x
    for step in range(STEPS):
        z = z - RATE * (z - y) ** STEPS  # nor do comments
    return z
""",
        (1.9, 0.4),
    ),
    "a helper with a list, in a loop": (
        """
def polynomial(c, x):
    total = 0.0
    for k in range(len(c)):
        total = total * x + c[k]
    return total

def f(c, x):
    for step in range(3):
        x = x - polynomial(c, x) / 7
        if polynomial(c, x) > 2:
            x = x * c[step]
    return x
""",
        ([0.3, -1.2, 0.5, -2.0], 1.4),
    ),
}
"""The text of every program, and the arguments to differentiate it at."""


_numbers = count()


def load(text: str, namespace: dict[str, Any]) -> Callable[..., Any]:
    """Run a program's text in a namespace of elementary functions, where its source is found."""
    file = f"program_{next(_numbers)}.py"
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    names = dict(namespace)
    exec(compile(text, file, "exec"), names)
    return names["f"]


def random_program(seed: int) -> str:
    """The text of a function f of one to three numbers between 0.5 and 1.5.

    Every assignment keeps values moderate, no operation comes near a singularity, and no while
    loop runs more than a few times.
    """
    return _Writer(random.Random(seed)).program()


def random_arguments(seed: int) -> tuple[float, ...]:
    """Arguments for the random program of the same seed."""
    rng = random.Random(seed)
    many = rng.randint(1, 3)
    return tuple(rng.uniform(0.5, 1.5) for _ in range(many))


class _Writer:
    def __init__(self, rng: random.Random):
        self.rng, self.lines = rng, []
        self.variables = [f"x{i + 1}" for i in range(rng.randint(1, 3))]
        self.counters: list[str] = []
        self.loops = 0

    def program(self) -> str:
        head = f"def f({', '.join(self.variables)}):"
        self.assignment(1)
        for _ in range(self.rng.randint(1, 3)):
            self.statement(1, depth=0)
        self.line(1, f"return {self.rng.choice([self.expression(1), self.variable()])}")
        return "\n".join([*self.helper(), "", head, *self.lines, ""])

    def helper(self) -> list[str]:
        inner = _Writer(self.rng)
        inner.variables = ["u", "v"]
        early, late = inner.bounded(), inner.bounded()
        return [
            "def helper(u, v):",
            f"    if u * v > {self.threshold()}:",
            f"        return {early}",
            f"    u = {inner.bounded()}",
            f"    return {late}",
        ]

    def line(self, indent: int, text: str) -> None:
        self.lines.append("    " * indent + text)

    def threshold(self) -> float:
        return round(self.rng.uniform(-0.6, 1.4), 3) + 0.000123456

    def statement(self, indent: int, depth: int) -> None:
        kinds = [self.assignment, self.assignment, self.augmented]
        if depth < 2:
            kinds += [self.branch, self.for_loop, self.while_loop]
        kind = self.rng.choice(kinds)
        if kind in (self.assignment, self.augmented):
            kind(indent)
        else:
            kind(indent, depth)

    def block(self, indent: int, depth: int) -> None:
        known = list(self.variables)
        for _ in range(self.rng.randint(1, 2)):
            self.statement(indent, depth + 1)
        self.variables = known

    def assignment(self, indent: int) -> None:
        target = self.rng.choice([*self.variables, "y", "z"])
        self.line(indent, f"{target} = {self.bounded()}")
        if target not in self.variables:
            self.variables.append(target)

    def augmented(self, indent: int) -> None:
        target = self.rng.choice(self.variables)
        operator = self.rng.choice(["+=", "-=", "*="])
        self.line(indent, f"{target} {operator} {self.bounded()}")
        self.line(indent, f"{target} = tanh({target})")

    def branch(self, indent: int, depth: int) -> None:
        self.line(indent, f"if {self.condition()}:")
        self.block(indent + 1, depth)
        self.leave(indent + 1)
        if self.rng.random() < 0.4:
            self.line(indent, f"elif {self.condition()}:")
            self.block(indent + 1, depth)
        if self.rng.random() < 0.6:
            self.line(indent, "else:")
            self.block(indent + 1, depth)

    def leave(self, indent: int) -> None:
        draw = self.rng.random()
        if draw < 0.2:
            self.line(indent, f"return {self.expression(1)}")
        elif draw < 0.4 and self.counters:
            self.line(indent, self.rng.choice(["break", "continue"]))

    def for_loop(self, indent: int, depth: int) -> None:
        counter = self.rng.choice("ij")
        bounds = self.rng.choice(["2", "3", "1, 3", "3, 0, -1"])
        self.line(indent, f"for {counter} in range({bounds}):")
        self.counters.append(counter)
        self.block(indent + 1, depth)
        self.counters.pop()

    def while_loop(self, indent: int, depth: int) -> None:
        self.loops += 1
        counter = f"n{self.loops}"
        self.line(indent, f"{counter} = 0")
        self.line(indent, f"while {counter} < 3 and ({self.condition()}):")
        self.line(indent + 1, f"{counter} += 1")
        self.counters.append(counter)
        self.block(indent + 1, depth)
        self.counters.pop()

    def condition(self) -> str:
        first = f"{self.expression(1)} {self.rng.choice('<>')} {self.threshold()}"
        if self.rng.random() < 0.2:
            return f"{first} {self.rng.choice(['and', 'or'])} not {self.variable()} > 0.4000123"
        return first

    def variable(self) -> str:
        return self.rng.choice(self.variables)

    def bounded(self) -> str:
        """An expression between -2 and 2 or so."""
        return self.rng.choice(["{}", "{}", "sin({})", "tanh({})"]).format(self.expression(1))

    def expression(self, depth: int) -> str:
        """An expression that grows no faster than a small power of its operands."""
        if depth == 0:
            return self.leaf()
        a, b = self.expression(depth - 1), self.expression(depth - 1)
        templates = (
            *("sin({a} * {b})", "cos({a} + {b})", "tanh({a} - {b})", "exp(-({a}) ** 2)"),
            *("sqrt(1 + ({a}) ** 2) / 2", "log(2 + ({a}) ** 2)", "({a}) / (1.5 + ({b}) ** 2)"),
            *("tanh(({a}) * ({b}))", "0.5 * ({a}) - {b} / 2", "-({a})", "helper({a}, {b})"),
            *("(1.2 + sin({a})) ** cos({b})", "({a} if {b} > 0.2000123 else cos({a}))"),
        )
        known = templates[:10] if "u" in self.variables else templates
        return self.rng.choice(known).format(a=a, b=b)

    def leaf(self) -> str:
        draw = self.rng.random()
        if draw < 0.1:
            return str(self.rng.choice([2, 0.3, 1.5]))
        if draw < 0.3 and self.counters:
            return f"{self.variable()} * ({self.rng.choice(self.counters)} + 1)"
        return self.variable()


def forward_gradient(derivative: Callable[..., Any], arguments: Any) -> tuple[Any, np.ndarray]:
    """The value, and one tangent for every number among the arguments."""
    leaves, structure = jax.tree.flatten(arguments)
    seeds = [jax.tree.unflatten(structure, row) for row in np.eye(len(leaves)).tolist()]
    runs = [derivative(*arguments, *seed) for seed in seeds]
    return runs[0][0], np.array([tangent for _, tangent in runs])
