"""What may keep jaxmix from working here, or change its numbers; `jaxmix doctor` prints it.

Prints nothing, leaves nothing behind, and imports neither jax nor what needs it: JAX is asked in a
process of its own, because it may be missing, hang, or end the process.
"""

import importlib.metadata
import json
import math
import os
import platform
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from itertools import chain
from pathlib import Path
from typing import Any

from jaxmix.cli.cache import ENABLED, FOLDER, kept
from jaxmix.threads import VARIABLE, processors, quota, threads
from jaxmix.whole_files import write_whole

PREFIXES = ("JAX_", "XLA_", "PJRT_", "OMP_", "OPENBLAS_", "MKL_", "CUDA_VISIBLE_", "NVIDIA_TF32_")
"""Of the environment variables that change devices, threads or precision."""

LONGEST = 120
"""Seconds for JAX to find its devices; those of a large host take tens."""


def diagnosis(folder: str = ".") -> dict[str, Any]:
    """Look at the installation, at JAX, and at a folder for results.

    Args:
        folder: where results would be written; its files stay as they are.

    Returns:
        Plain numbers and texts, for JSON:

        - `ok`: whether there are no `problems`, texts that say what is broken and what to do;
          `advice` is such texts on what works and could be better.
        - `platform`: system, release and processor.
        - `versions`: of Python, jaxmix, and every required and optional package; null if missing.
        - `missing`: for each extra, the requirements that are not met.
        - `threads`: `product`, those that a product of matrices is divided among; `processors`, as
          this process may use, of the `machine`'s; `quota`, processors whose time its control group
          allows, or null.
        - `environment`: variables that change devices, threads or precision, those that are set.
        - `jax`: `error`, null where it works; and up to the error `x64` and `matmul_precision`, its
          switches; `devices`, each kind's `platform`, `kind`, `number` and `memory_bytes` or null;
          `float64_sum`, whether float64 is; `float32_product`, one of float32, tf32, bfloat16 and
          wrong, by `float32_product_error`.
        - `cache`: of compiled programs, whether `on`, its `folder`, `programs` and `bytes`.
        - `folder`: its name as `given`, and the `fault` that keeps results from it, or null.
    """
    found: dict[str, Any] = {
        "platform": platform.platform(),
        "threads": {
            "product": threads(),
            "processors": processors(),
            "machine": os.cpu_count(),
            "quota": quota(),
        },
        "environment": {
            name: value for name, value in sorted(os.environ.items()) if name.startswith(PREFIXES)
        },
        "cache": kept()._asdict(),
        "folder": {"given": folder, "fault": fault(Path(folder))},
        "jax": {"error": None} | ask_jax(),
    }
    installed, problems = _installed()
    problems += _problems(found)
    verdict = {"ok": not problems, "problems": problems, "advice": _advice(found)}
    return verdict | installed | found


def fault(folder: Path) -> str | None:
    """Why results cannot be kept in a folder; None where they can.

    They need files that are replaced as a whole, and names that only the first of two processes can
    create or link, by which they agree on who does what.
    """
    doing = "nothing can be made in it"
    try:
        with tempfile.TemporaryDirectory(prefix=".jaxmix-doctor-", dir=folder) as name:
            file = Path(name, "file")
            doing = "a file cannot be replaced in it"
            for content in (b"first", b"second"):
                write_whole(file, content)
                if file.read_bytes() != content:
                    return "what was written reads back as something else"
            doing = "a file cannot be created there by one process alone"
            if not _once(Path(name, "created").touch, exist_ok=False):
                return doing
            doing = "a file cannot be linked there by one process alone"
            if not _once(os.link, file, Path(name, "linked")):
                return doing
    except (OSError, ValueError) as error:
        return f"{doing} ({getattr(error, 'strerror', None) or error})"
    return None


def ask_jax() -> dict[str, Any]:
    """What `arithmetic.probe` finds in a process of its own, or the `error` that this ended by."""
    probe = "import json; from jaxmix.arithmetic import probe; print(json.dumps(probe()))"
    # Nothing stays in a cache of programs, or keeps memory of a device from who is using it.
    variables = {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"} | os.environ | {ENABLED: "0"}
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-c", probe],
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            timeout=LONGEST,
        )
    except subprocess.TimeoutExpired:
        return {"error": f"jax does not answer within {LONGEST} s; {_ON_CPU}"}
    if done.returncode:
        return {"error": f"jax ends Python by {_ending(done.returncode)}; {_ON_CPU}"}
    return json.loads(done.stdout.splitlines()[-1])


def _once(make: Callable[..., Any], *arguments: Any, **options: Any) -> bool:
    """Whether what could be made once cannot be made again."""
    make(*arguments, **options)
    try:
        make(*arguments, **options)
    except FileExistsError:
        return True
    return False


def _ending(code: int) -> str:
    """How a process ended, from its exit code."""
    return signal.Signals(-code).name if -code in set(signal.Signals) else f"exit code {code}"


def _installed() -> tuple[dict[str, Any], list[str]]:
    """Versions and what is missing for extras, and problems with what is required."""
    found: dict[str, Any] = {"versions": {"python": platform.python_version()}, "missing": {}}
    try:
        from jaxmix.installation import DISTRIBUTION, extras, needs, version_of

        required, optional = needs(), extras()
    except importlib.metadata.PackageNotFoundError:
        return found, ["jaxmix is not installed: python -m pip install . in its folder"]
    except ImportError as error:
        return found, [f"requirements cannot be read ({error}): python -m pip install packaging"]
    found["versions"]["jaxmix"] = version_of(DISTRIBUTION)
    found["versions"] |= {need.name: need.version for need in chain(required, *optional.values())}
    found["missing"] = {
        extra: [need.requirement for need in wanted if not need.met]
        for extra, wanted in optional.items()
    }
    return found, [_said(need) for need in required if not need.met]


def _said(need: Any) -> str:
    if need.name == "python":
        return f"Python {need.version} is not {need.requirement}: install jaxmix under another one"
    is_there = "missing" if need.version is None else f"{need.version}, which jaxmix cannot use"
    return f"{need.name} is {is_there}: python -m pip install '{need.requirement}'"


def _problems(found: dict[str, Any]) -> list[str]:
    """What is broken, of JAX and of the folder."""
    jax, folder = found["jax"], found["folder"]
    problems = [jax["error"]] if jax["error"] else []
    if not jax.get("float64_sum", True):
        problems.append(f"float64 is not float64 on this device; {_ON_CPU}")
    if jax.get("float32_product") == "wrong":
        problems.append(f"products of matrices are wrong on this device; {_ON_CPU}")
    if folder["fault"]:
        problems.append(
            f"no results can be kept in {folder['given']}: {folder['fault']}; "
            "make it writable, or name another folder by --folder"
        )
    return problems


def _advice(found: dict[str, Any]) -> list[str]:
    """What works and could be better."""
    threads, rounded = found["threads"], found["jax"].get("float32_product")
    advice = []
    if threads["quota"] and threads["product"] > max(1, math.ceil(threads["quota"])):
        advice.append(
            f"a product is divided among {threads['product']} threads, which share the time of "
            f"{threads['quota']:g} processors: set {VARIABLE}={math.ceil(threads['quota'])}"
        )
    if rounded in ("tf32", "bfloat16"):
        advice.append(
            f"products of float32 data are rounded as {rounded}; float64, which the command uses, "
            "is not: set JAX_DEFAULT_MATMUL_PRECISION=highest for float32 in full"
        )
    if not found["cache"]["on"] and not found["environment"].get(ENABLED):
        advice.append(
            "compiled programs are not kept, so that each run compiles again: "
            f"name a folder that can be written by {FOLDER}"
        )
    return advice


_ON_CPU = "run with JAX_PLATFORMS=cpu, or with XLA_FLAGS unset"
