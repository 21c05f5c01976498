"""Mixtures in files: a documented npz, written whole or not at all, never executed.

The format, version 1: a NumPy .npz archive of plain arrays (no pickle). `header` is text, a JSON
object with

    format    "jaxmix mixture"
    version   1
    family    its name: "full", "tied", "diag", "spherical", "poisson", "bernoulli", "categorical",
              or "product"
    shape     [k, d], the numbers of components and columns
    settings  what the family needs beside arrays: the `levels` of categories; the `families` of a
              product, each as [name, settings], and their `columns`; {} for others

and every other entry is one array of the mixture by its place in it: `log_weights` [k],
`family.means` [k d], `family.structure.factors` [k d d] (lower Cholesky factors; tied: `.factor`
[d d]; diag and spherical: `.variances`), or `family.expectations` [k p]. Arrays are float32 or
float64, all alike, and come back bit for bit. How a family is rebuilt stands in `families.BLANKS`.
"""

import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxmix.archives import Arrays, Kind, content_of, read_archive, write_archive
from jaxmix.families import BLANKS, kind_of
from jaxmix.inputs import as_count
from jaxmix.mixture import Mixture
from jaxmix.precision import to_jax
from jaxmix.suggestions import unknown

KIND = Kind("jaxmix mixture", 1, of="a mixture", writer="mixture.save")


def save(mixture: Mixture, path: str | os.PathLike[str]) -> None:
    """Write a mixture to a file; what `Mixture.save` calls."""
    if mixture.log_weights.ndim != 1:
        raise ValueError("several mixtures are stacked here; save one at a time")
    family, arrays = mixture.family, {name: np.asarray(leaf) for name, leaf in _named(mixture)}
    header = {
        "family": kind_of(family),
        "shape": list(family.shape),
        "settings": family.settings,
    }
    _check(arrays, _blank(header))
    write_archive(Path(path), KIND, header, arrays)


def load_mixture(path: str | os.PathLike[str]) -> Mixture:
    """Read a mixture that `mixture.save` wrote, bit for bit; nothing in the file is executed.

    Args:
        path: the file, under the name that it was saved as.

    Returns:
        The mixture. Where JAX's 64-bit mode is off, float64 becomes float32, with a warning.

    Raises:
        ValueError: if the file cannot be read, is truncated or of another kind or a newer version,
            or holds arrays of wrong names, shapes or types, NaN, or weights that do not sum to 1.

    Examples:
        >>> import tempfile, jaxmix as jm
        >>> mixture = jm.gaussian_mixture([0.3, 0.7], [[0.0], [4.0]], 1.0)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     mixture.save(f"{folder}/two.npz")
        ...     loaded = jm.load_mixture(f"{folder}/two.npz")
        >>> loaded.weights.tolist() == mixture.weights.tolist()
        True
    """
    content = content_of(Path(path))
    try:
        header, arrays = read_archive(content, KIND)
        blank = _blank(header)
        _check(arrays, blank)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path} cannot be loaded: {error}") from None
    leaves = [to_jax(arrays[name]) for name, _ in _named(blank)]
    return jax.tree.unflatten(jax.tree.structure(blank), leaves)


def _named(mixture: Mixture) -> list[tuple[str, Any]]:
    """The arrays of a mixture by their places in it, such as family.means."""
    leaves = jax.tree_util.tree_flatten_with_path(mixture)[0]
    return [
        (jax.tree_util.keystr(place, simple=True, separator="."), leaf) for place, leaf in leaves
    ]


def _blank(header: Mapping[str, Any]) -> Mixture:
    """A mixture of shapes alone, where the saved arrays have their places."""
    name = header.get("family")
    if not isinstance(name, str) or name not in BLANKS:
        raise unknown("family of a saved mixture", name, BLANKS)
    try:
        k, d = (as_count(size, "a shape") for size in header["shape"])
        make = partial(BLANKS[name], k, d, header["settings"])
        return jax.eval_shape(lambda: Mixture(jnp.zeros(k, jnp.float32), make()))
    except Exception as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"its header describes no mixture ({reason})") from None


def _check(arrays: Arrays, blank: Mixture) -> None:
    """Raise unless the arrays fill the blank mixture with usable numbers."""
    places = dict(_named(blank))
    if arrays.keys() != places.keys():
        raise ValueError(f"expected arrays {', '.join(places)}, got {', '.join(arrays) or 'none'}")
    dtype = arrays["log_weights"].dtype
    if dtype not in (np.float32, np.float64):
        raise ValueError(f"expected float32 or float64, got {dtype}")
    for name, place in places.items():
        array = arrays[name]
        if array.shape != place.shape or array.dtype != dtype:
            raise ValueError(
                f"{name} must be {dtype} of shape {place.shape}, got {array.dtype} {array.shape}"
            )
        if np.isnan(array).any():
            raise ValueError(f"{name} holds NaN, as a fit that failed may leave")
    total = np.sum(np.exp(arrays["log_weights"]))
    if not abs(total - 1) < 1e-3:
        raise ValueError(f"its weights sum to {total:g} instead of 1")
