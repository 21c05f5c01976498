"""`jaxmix doctor`: whether jaxmix works here, and what its numbers and its speed may depend on."""

import contextlib
import getpass
import json
import re
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

WIDTH = 100


@dataclass(frozen=True)
class Doctor:
    """Say what is here and what is broken, and what to do; the exit code is 1 if anything is."""

    folder: str = "."
    """Where results would be written; what is tried there is removed."""

    json: bool = False
    """Whether to print JSON, with the keys that `jaxmix.cli.diagnosis` documents; its paths are
    without the home folder and the user's name."""

    def run(self) -> int:
        """Print what is found."""
        from jaxmix.cli.diagnosis import diagnosis

        found = diagnosis(self.folder)
        print(json.dumps(_anonymous(found), indent=1) if self.json else _screen(found))
        return 0 if found["ok"] else 1


def _screen(found: dict[str, Any]) -> str:
    """A line or more for each part, its name in front, problems last."""
    lines = [
        ("platform", found["platform"]),
        ("versions", _versions(found["versions"])),
        ("extras", _extras(found["missing"])),
        *(("device", _device(device)) for device in found["jax"].get("devices", ())),
        ("threads", _threads(found["threads"])),
        *(("variable", f"{name}={value}") for name, value in found["environment"].items()),
        ("precision", _precision(found["jax"])),
        ("cache", _cache(found["cache"])),
        ("folder", f"{found['folder']['given']}: {found['folder']['fault'] or 'can hold results'}"),
        *(("advice", text) for text in found["advice"]),
        *(("PROBLEM", text) for text in found["problems"]),
        *([("verdict", "all that is needed works")] if found["ok"] else []),
    ]
    return "\n".join(_paragraph(*line) for line in lines)


def _paragraph(title: str, text: str) -> str:
    return textwrap.fill(
        text,
        WIDTH,
        initial_indent=f"{title:<11}",
        subsequent_indent=" " * 11,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _versions(versions: dict[str, str | None]) -> str:
    return ", ".join(f"{name} {version}" for name, version in versions.items() if version)


def _extras(missing: dict[str, list[str]]) -> str:
    known = "; ".join(
        f"{extra} lacks {', '.join(lacking)}" if lacking else f"{extra} is complete"
        for extra, lacking in missing.items()
    )
    return f"{known} (python -m pip install what is lacking)" if any(missing.values()) else known


def _device(device: dict[str, Any]) -> str:
    memory = device["memory_bytes"]
    known = f", {memory / 2**30:.1f} GiB each for JAX" if memory else ""
    return f"{device['number']} of kind {device['kind']} ({device['platform']}){known}"


def _threads(threads: dict[str, Any]) -> str:
    quota = f"; a quota of {threads['quota']:g}" if threads["quota"] else ""
    return (
        f"{threads['product']} to a product of matrices; "
        f"{threads['processors']} processors of {threads['machine']} allowed{quota}"
    )


def _precision(jax: dict[str, Any]) -> str:
    if "float64_sum" not in jax:
        return "unknown, because jax does not work"
    return (
        f"64-bit switch {'on' if jax['x64'] else 'off'} (the command turns it on), products at "
        f"{jax['matmul_precision'] or 'default'} precision; float64 sums "
        f"{'right' if jax['float64_sum'] else 'wrong'}, products of float32 "
        f"{jax['float32_product']}: relative error {jax['float32_product_error']:.1e}"
    )


def _cache(cache: dict[str, Any]) -> str:
    return (
        f"{'on' if cache['on'] else 'off'}, {cache['folder'] or 'no folder'}: "
        f"{cache['programs']} programs, {cache['bytes'] / 1e6:.1f} MB"
    )


def _anonymous(value: Any) -> Any:
    """Plain values without the home folder and the user's name in paths: JSON gets published."""
    if isinstance(value, dict):
        return {key: _anonymous(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_anonymous(entry) for entry in value]
    if isinstance(value, str):
        with contextlib.suppress(RuntimeError):  # no home
            value = re.sub(rf"(?<![\w.~-]){re.escape(str(Path.home()))}(?![\w.-])", "~", value)
        with contextlib.suppress(OSError, KeyError, ImportError):  # no name
            value = re.sub(rf"(?<=[/\\]){re.escape(getpass.getuser())}(?![\w.-])", "user", value)
    return value
