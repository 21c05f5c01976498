"""What JAX finds and how it rounds: devices, the 64-bit switch, and the digits of its products.

`probe` is for a process of its own, which JAX may end: it aborts on flags that it does not know.
So modules are imported where they are used, and what fails is told as text.
"""

import contextlib
from collections import Counter
from collections.abc import Callable
from typing import Any

ROUNDINGS = {"float32": 1e-5, "tf32": 8e-4, "bfloat16": 5e-3}
"""Relative errors below which products count as rounded so: factors of 24, 11 and 8 binary digits
make those of `product_error` 3e-7, 3e-4 and 2e-3."""

Multiply = Callable[[Any, Any], Any]


def probe() -> dict[str, Any]:
    """Everything below in one dictionary, up to the first failure, which `error` tells."""
    found: dict[str, Any] = {}
    for claim, (ask, advice) in _STAGES.items():
        try:
            found |= ask()
        except Exception as error:
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            return found | {"error": f"{claim}: {reason.removesuffix(':')}; {advice}"}
    return found


def configuration() -> dict[str, Any]:
    """JAX's switches for precision, as it has read them from the environment."""
    import jax

    return {
        "x64": bool(jax.config.read("jax_enable_x64")),
        "matmul_precision": jax.config.values["jax_default_matmul_precision"],
    }


def devices() -> dict[str, Any]:
    """This process's devices, counted by kind, with the bytes that JAX may take on one."""
    import jax

    kinds = Counter((d.platform, d.device_kind, _memory(d)) for d in jax.local_devices())
    names = ("platform", "kind", "memory_bytes", "number")
    return {"devices": [dict(zip(names, (*kind, number))) for kind, number in kinds.items()]}


def rounding() -> dict[str, Any]:
    """Whether float64 is float64, and how products of float32 are rounded, on the first device."""
    import jax

    error = product_error(jax.jit(lambda a, b: a @ b))
    return {
        "float64_sum": sums_in_float64(),
        "float32_product": rounded_as(error),
        "float32_product_error": error,
    }


def sums_in_float64() -> bool:
    """Whether 1 + 2^-30, which is 1 in float32, is itself with the 64-bit switch on."""
    import jax
    import numpy as np

    with jax.enable_x64(True):
        total = jax.jit(lambda x: x.sum())(np.array([1.0, 2.0**-30]))
        return total.dtype == np.float64 and float(total) == 1 + 2.0**-30


def product_error(multiply: Multiply) -> float:
    """The relative error of a product of two float32 matrices in Frobenius' norm, at most 1."""
    import numpy as np

    a, b = np.random.default_rng(0).standard_normal((2, 256, 256), dtype=np.float32)
    exact = a.astype(float) @ b.astype(float)
    error = np.linalg.norm(multiply(a, b) - exact) / np.linalg.norm(exact)
    return float(np.fmin(error, 1.0))


def rounded_as(error: float) -> str:
    """The format in which factors of that relative error were held, or "wrong".

    Example:
        >>> rounded_as(3e-4)
        'tf32'
    """
    return next((name for name, bound in ROUNDINGS.items() if error < bound), "wrong")


def _memory(device: Any) -> int | None:
    with contextlib.suppress(Exception):  # what a backend raises that does not know is its own
        return (device.memory_stats() or {}).get("bytes_limit")
    return None


def _the_kit() -> dict[str, Any]:
    import jaxmix.fitting  # noqa: F401

    return {}


_REINSTALL = "python -m pip install --upgrade --force-reinstall"
_STAGES: dict[str, tuple[Callable[[], dict[str, Any]], str]] = {
    "jax cannot be imported": (
        configuration,
        f"correct the JAX_ variable that it names, or {_REINSTALL} jax jaxlib",
    ),
    "jax finds no device": (
        devices,
        "unset JAX_PLATFORMS, or install the jaxlib of that device",
    ),
    "jax does not compute": (rounding, "run the same with JAX_PLATFORMS=cpu"),
    "jaxmix cannot be imported": (_the_kit, f"{_REINSTALL} the package that it names"),
}
