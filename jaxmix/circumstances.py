"""What written results say of where they come from: versions, device, precision, and the data."""

import hashlib
import importlib.metadata
import platform
from typing import Any

import jax
import numpy as np

from jaxmix.threads import threads


def fingerprint(x: np.ndarray) -> str:
    """SHA-256 of the data's bytes, row by row."""
    return hashlib.sha256(np.ascontiguousarray(x).tobytes()).hexdigest()


def circumstances() -> dict[str, Any]:
    """What the numbers may depend on: versions, device, threads and precision."""
    packages = ("jaxmix", "jax", "jaxlib", "optax", "numpy")
    versions = {name: importlib.metadata.version(name) for name in packages}
    return {
        "versions": versions | {"python": platform.python_version()},
        "device": jax.devices()[0].device_kind,
        # XLA gives each of several devices in one process a thread at least.
        "threads": max(threads(), jax.local_device_count()),
        "processes": jax.process_count(),
        "dtype": "float64",
    }
