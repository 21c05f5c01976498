"""An image in few colors: the result, its numbers beside the original's, and the picture.

`palettes.py` finds the colors; the squared error that k-means minimizes is notes/em.md, eq. 13.
"""

from os import PathLike
from typing import Any

import equinox as eqx
import numpy as np
from jaxtyping import Float, Int

from jaxmix.data.image import Levels, photograph, read_image
from jaxmix.inputs import as_count
from jaxmix.loop import Outcome
from jaxmix.report.demonstration import Demonstration
from jaxmix.report.writers import Table
from jaxmix.suggestions import unknown
from jaxmix.teaching.colors import Colors, as_hex, distinct
from jaxmix.teaching.figures import draw_quantized
from jaxmix.teaching.palettes import STARTS, Choice, by_both, by_kmeans

WAYS = ("kmeans", "mixture")

MOST_COLORS = 256
"""What the palette of a png file holds."""

ERROR = (
    "Levels go from 0 to 255. Mean squared error: (1/N) sum over the N pixels of "
    "(R - r)^2 + (G - g)^2 + (B - b)^2, all three channels added, in squared levels; colors are "
    "not rounded. k-means takes the best of {starts} starts and keeps the mean color, because each "
    "of its colors is the mean of its pixels."
)
WHY_LARGER = (
    " The mixture, fitted by EM from k-means' clusters, gives a pixel the mean of its most "
    "probable component, where widths and weights count beside the distance. It maximizes "
    "the likelihood and not the squared error, so that its error is larger and its mean color "
    "another."
)


class Quantized(eqx.Module):
    """An image in few colors; a color that no pixel takes is not in its palette."""

    palette: Float[np.ndarray, "k 3"]
    """Red, green and blue, 0 to 255, not rounded; the color of most pixels first."""
    labels: Int[np.ndarray, "h w"]
    """Which color of the palette each pixel takes."""
    counts: Int[np.ndarray, " k"]
    """Pixels of each color."""
    mean_squared_error: float
    """The mean over pixels of the squared distance to their color, all three channels added."""
    num_steps: int
    outcome: Outcome

    @property
    def shares(self) -> Float[np.ndarray, " k"]:
        """Share of the pixels of each color."""
        return self.counts / self.counts.sum()

    @property
    def mean(self) -> Float[np.ndarray, " 3"]:
        """The mean color of all pixels."""
        return self.shares @ self.palette

    @property
    def names(self) -> list[str]:
        """The palette as #rrggbb, rounded to whole levels."""
        return [as_hex(color) for color in self.palette]

    @property
    def image(self) -> Float[np.ndarray, "h w 3"]:
        """The image in the colors of the palette, not rounded."""
        return self.palette[self.labels]

    @property
    def levels(self) -> Levels:
        """The image in the colors of the palette, rounded to whole levels as files hold them."""
        return np.rint(self.palette).astype(np.uint8)[self.labels]


def quantize(image: Any, colors: int = 5, by: str = "kmeans", seed: int = 0) -> Quantized:
    r"""Show an image in few colors.

    k-means minimizes $\frac1n\sum_i\|x_i-c_{z_i}\|^2$ over colors $c_k$ and labels $z_i$ of the
    pixels $x_i$; its colors are the means of their pixels, so that the mean color stays. The
    mixture (full covariances, by EM from k-means' clusters) gives a pixel the mean of its most
    probable component, where widths and weights count beside the distance.

    Args:
        image: a png or jpg file, or its levels [h w 3], 0 to 255, of dtype uint8.
        colors: how many, from 1 to 256; at most as many as the image has.
        by: "kmeans" or "mixture".
        seed: an integer for the k-means++ starts.

    Returns:
        A `Quantized`: `.palette`, `.labels`, `.counts`, `.shares`, `.image`, `.levels` and
        `.mean_squared_error`.

    Raises:
        ValueError: if the image cannot be read or has fewer different colors, or for an unknown
            way.
        TypeError: if the levels are not of dtype uint8 in three channels.

    Examples:
        >>> stripes = np.uint8([[[0] * 3, [0] * 3, [20] * 3, [250, 0, 0], [254, 0, 0]]])
        >>> few = quantize(stripes, colors=2)
        >>> few.names, few.counts.tolist(), round(few.mean_squared_error, 6)
        (['#070707', '#fc0000'], [3, 2], 161.6)

    Source: Lloyd (1982), IEEE Transactions on Information Theory 28; notes/em.md, eq. 6 and 13.
    """
    known, places = _checked(as_levels(image), colors, by)
    return _found(known, places, colors, by, seed)[by]


def demonstration(
    image: Any = None, colors: int = 5, by: str = "kmeans", seed: int = 0
) -> Demonstration:
    """The palette with its shares, the errors, and the picture beside the original.

    Args:
        image, colors, by, seed: as in `quantize`; matplotlib's photograph when left out.

    Returns:
        Two tables and the picture.

    Raises:
        ValueError, TypeError: as `quantize`.
    """
    levels = photograph() if image is None else as_levels(image)
    known, places = _checked(levels, colors, by)
    found = _found(known, places, colors, by, seed)
    few = found[by]
    return Demonstration(
        (_palette_table(few, colors), _error_table(known, found)),
        lambda: draw_quantized(
            levels, few.levels, few.palette, few.shares, _titles(known, few, by)
        ),
    )


def as_levels(image: Any) -> Levels:
    """Levels of a file or of an array of levels."""
    if isinstance(image, str | PathLike):
        return read_image(image)
    levels = np.asarray(image)
    if levels.ndim != 3 or levels.shape[2] != 3 or levels.dtype != np.uint8 or not levels.size:
        raise TypeError(
            "expected levels [h w 3] from 0 to 255 of dtype uint8, got "
            f"{levels.dtype} {list(levels.shape)}; jaxmix.data.read_image gives them"
        )
    return levels


def _checked(levels: Levels, k: int, by: str) -> tuple[Colors, Int[np.ndarray, "h w"]]:
    """The different colors and where they are; raises unless there are k that a palette holds."""
    if by not in WAYS:
        raise unknown("way to quantize", by, WAYS)
    if as_count(k, "colors") > MOST_COLORS:
        raise ValueError(f"expected at most {MOST_COLORS} colors, as a png's palette, got {k}")
    known, places = distinct(levels)
    if k > len(known.values):
        raise ValueError(
            f"expected at most as many colors as the image has, {len(known.values)} distinct, "
            f"got {k}; use fewer"
        )
    return known, places


def _found(
    known: Colors, places: Int[np.ndarray, "h w"], k: int, by: str, seed: int
) -> dict[str, Quantized]:
    """The image by k-means and, where it is wanted, by the mixture that starts there."""
    choices = by_both(known, k, seed) if by == "mixture" else (by_kmeans(known, k, seed),)
    return {way: quantized(known, places, choice) for way, choice in zip(WAYS, choices)}


def quantized(known: Colors, places: Int[np.ndarray, "h w"], choice: Choice) -> Quantized:
    """The image in the colors that its pixels take, the most frequent first."""
    counts = np.bincount(choice.labels, known.counts, minlength=len(choice.palette))
    order = np.argsort(-counts, kind="stable")
    rank = np.argsort(order)
    taken = order[: np.count_nonzero(counts)]
    squares = np.sum((known.values - choice.palette[choice.labels]) ** 2, axis=1)
    return Quantized(
        palette=choice.palette[taken],
        labels=rank[choice.labels][places],
        counts=counts[taken].astype(int),
        mean_squared_error=float(known.counts @ squares / known.counts.sum()),
        num_steps=choice.num_steps,
        outcome=choice.outcome,
    )


def _palette_table(few: Quantized, wanted: int) -> Table:
    rows = [
        (rank, float(share), hexadecimal, *map(float, color))
        for rank, (share, hexadecimal, color) in enumerate(
            zip(few.shares, few.names, few.palette), start=1
        )
    ]
    h, w = few.labels.shape
    caption = f"Share of the {h} x {w} pixels. "
    if len(few.palette) < wanted:
        caption += f"No pixel takes the {wanted - len(few.palette)} other of {wanted} colors. "
    if len(set(few.names)) < len(few.names):
        caption += f"Rounded to whole levels, only {len(set(few.names))} colors are different. "
    return Table(("rank", "share", "color", "red", "green", "blue"), tuple(rows), caption.strip())


def _error_table(known: Colors, found: dict[str, Quantized]) -> Table:
    rows: list[Any] = [("the image", len(known.values), None, *map(float, known.mean), None, None)]
    for way, few in found.items():
        numbers = len(few.palette), few.mean_squared_error, *map(float, few.mean)
        rows.append((way, *numbers, few.num_steps, few.outcome.name))
    means = (f"mean {channel}" for channel in ("red", "green", "blue"))
    columns = ("by", "colors", "mean squared error", *means, "steps", "outcome")
    errors = [few.mean_squared_error for few in found.values()]
    caption = ERROR.format(starts=STARTS) + WHY_LARGER * (errors[-1] > errors[0])
    return Table(columns, tuple(rows), caption)


def _titles(known: Colors, few: Quantized, by: str) -> tuple[str, str]:
    way = {"kmeans": "k-means", "mixture": "a mixture"}[by]
    error = f"mean squared error {few.mean_squared_error:.1f}"
    return f"original: {len(known.values)} colors", f"{len(few.palette)} colors by {way}: {error}"
