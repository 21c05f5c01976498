"""Methods by name, as a command line or a study writes them.

"em, adam(learning_rate=0.05), mine.py:Heavyball" names two methods of the kit and one of a user's;
"online", "incremental" and "minibatch-adam" are those that move in batches.
Default rates are constants, chosen once for standardized columns and never tuned on the data.
"""

import ast
import dataclasses
import inspect
import re
from collections.abc import Callable
from typing import Any

import equinox as eqx
import optax

from jaxmix.methods import (
    DAAREM,
    EM,
    SQUAREM,
    GradientAscent,
    Hybrid,
    IncrementalEM,
    Method,
    NaturalGradient,
    Newton,
    OnlineEM,
    StochasticGradient,
)
from jaxmix.methods.optimizers import Optimizer
from jaxmix.suggestions import unknown
from jaxmix.user_files import defined_in

DEFAULT = "em, lbfgs, adam(gradient='autodiff'), adam, sgd"
"""What is compared when nothing is chosen."""

KINDS: dict[str, type[Method]] = {
    "em": EM,
    "squarem": SQUAREM,
    "daarem": DAAREM,
    "newton": Newton,
    "hybrid": Hybrid,
    "natural": NaturalGradient,
    "online": OnlineEM,
    "incremental": IncrementalEM,
}
"""The kit's methods that take no optimizer."""

MINIBATCH = "minibatch"
"""Before an optimizer's name, that it takes a step a batch."""

RATES: dict[str, dict[str, Any]] = {
    "adam": {"learning_rate": 0.05},
    "adamw": {"learning_rate": 0.05},
    "sgd": {"learning_rate": 0.1, "momentum": 0.9},
}
"""Settings where none are given; every other optimizer starts from a learning rate of 0.01."""

OPTIMIZERS = (
    *("adabelief", "adagrad", "adam", "adamax", "adamw", "amsgrad", "lbfgs", "lion"),
    *("nadam", "radam", "rmsprop", "sgd", "yogi"),
)
"""The optax optimizers that a name alone may mean."""

TITLES = {
    "em": "EM",
    "em(hard=True)": "hard EM",
    "lbfgs": "L-BFGS",
    "adam": "Adam (Fisher)",
    "adam(gradient='autodiff')": "Adam (jax.grad)",
    "sgd": "SGD with momentum",
    "squarem": "SQUAREM",
    "daarem": "DAAREM",
    "newton": "Newton",
    "hybrid": "EM then Newton",
    "natural": "natural gradient",
    "online": "online EM",
    "incremental": "incremental EM",
    "minibatchadam": "minibatch Adam",
    "minibatchsgd": "minibatch SGD with momentum",
}


class Contender(eqx.Module):
    """A method in a comparison, with its display name and its settings in words."""

    title: str = eqx.field(static=True)
    settings: str = eqx.field(static=True)
    method: Method


def contenders(names: str = DEFAULT) -> tuple[Contender, ...]:
    """The methods that a comma-separated list names.

    Args:
        names: "em", "squarem", "daarem", "newton", "hybrid", "natural", "online",
            "incremental", "lbfgs", "adam", "sgd", another optax optimizer, "minibatch-adam" and
            the like, or "FILE.py:Class"; each may have settings in parentheses, as in
            "adam(learning_rate=0.05, gradient='autodiff')".

    Returns:
        One `Contender` a name, in order.

    Raises:
        ValueError: for an unknown name or setting, with a suggestion, a name that stands twice, or
            a file without such a method.

    Examples:
        >>> [c.title for c in contenders("em, adam(learning_rate=0.1)")]
        ['EM', 'adam(learning_rate=0.1)']
    """
    found = tuple(_contender(text) for text in _split(names))
    if not found:
        raise ValueError("no method is named; for example: em, adam(learning_rate=0.05)")
    titles = [contender.title for contender in found]
    for title in titles:
        if titles.count(title) > 1:
            raise ValueError(f"the method {title!r} is named twice")
    return found


def _split(names: str) -> list[str]:
    """Parts between the commas that stand outside parentheses."""
    parts, depth = [""], 0
    for letter in names:
        depth += (letter in "([{") - (letter in ")]}")
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts if part.strip()]


def _contender(text: str) -> Contender:
    matched = re.fullmatch(r"(?:(?P<file>.+\.py):)?(?P<name>[\w-]+)(?P<call>\(.*\))?", text, re.S)
    if matched is None:
        raise ValueError(
            f"cannot read the method {text!r}; write NAME, NAME(setting=1) or FILE:NAME"
        )
    settings, file = _settings(text, matched["call"] or "()"), matched["file"]
    method = method_named(matched["name"], settings, file)
    written = text if file else _squeezed(matched["name"]) + (matched["call"] or "")
    title = TITLES.get(written.replace('"', "'"), text)
    return Contender(title, in_words(method), method)


def _squeezed(name: str) -> str:
    return name.lower().replace("-", "")


def method_named(name: str, settings: dict[str, Any], file: str | None = None) -> Method:
    """A method of the kit, an optax optimizer, or a class of a user's file.

    Args:
        name: as in `contenders`.
        settings: of the method or its optimizer, by name.
        file: path of the user's file that defines the class.

    Raises:
        ValueError: for an unknown name or setting, with a suggestion.
    """
    if file is not None:
        return _build(_user_class(file, name), name, settings)
    plain = _squeezed(name)
    if plain in KINDS:
        return _build(KINDS[plain], plain, settings)
    optimizer = plain.removeprefix(MINIBATCH)
    if optimizer not in OPTIMIZERS:
        raise unknown("method", name, (*KINDS, *OPTIMIZERS, f"{MINIBATCH}-adam", "FILE.py:Class"))
    kind = GradientAscent if optimizer == plain else StochasticGradient
    return kind(getattr(optax, optimizer), **{**RATES.get(optimizer, {}), **settings})


def _settings(text: str, call: str) -> dict[str, Any]:
    try:
        return keyword_values(call)
    except ValueError:
        raise ValueError(
            f"cannot read the settings of {text!r}; write name=value with plain numbers or text"
        ) from None


def keyword_values(call: str) -> dict[str, Any]:
    """Names and plain values of "(name=value, ...)"; ValueError, without a message, for others."""
    try:
        node = ast.parse(f"settings{call}", mode="eval").body
        assert isinstance(node, ast.Call)
        assert not node.args
        return {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in node.keywords}
    except (SyntaxError, ValueError, AssertionError):
        raise ValueError from None


def _build(kind: Callable[..., Method], name: str, settings: dict[str, Any]) -> Method:
    known = inspect.signature(kind).parameters
    for setting in settings:
        if setting not in known:
            raise unknown(f"setting of {name}", setting, known)
    return kind(**settings)


def settings_of(method: Method) -> dict[str, Any]:
    """Every setting that is in force, those of an optimizer among them."""
    settings = {field.name: getattr(method, field.name) for field in dataclasses.fields(method)}
    optimizer = settings.get("optimizer")
    if not isinstance(optimizer, Optimizer):
        return settings
    return {**optimizer.settings, **settings, "optimizer": optimizer.name}


def in_words(method: Method) -> str:
    """The method with every setting that is in force."""
    settings = settings_of(method)
    optimizer = [settings.pop("optimizer")] if "optimizer" in settings else []
    words = [*map(str, optimizer), *(f"{name}={value!r}" for name, value in settings.items())]
    return f"{type(method).__name__}({', '.join(words)})"


def _user_class(file: str, name: str) -> Callable[..., Method]:
    """A method class from a user's own Python file, which runs as any program of theirs."""
    classes = defined_in(file, lambda value: isinstance(value, type) and issubclass(value, Method))
    if name not in classes:
        raise unknown(f"method in {file}", name, classes)
    return classes[name]
