"""Photographs and other pictures as levels of red, green and blue, 0 to 255; no note derives them.

Pillow reads them; here is what it leaves open: which way up, transparent pixels, 16 bits.
"""

import warnings
from os import PathLike
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageOps

FORMATS = ("PNG", "JPEG")

Levels = UInt8[np.ndarray, "h w 3"]


def read_image(path: str | PathLike[str]) -> Levels:
    """Read a png or jpg file as a person sees it.

    A photograph is turned as its camera says, a transparent pixel lies on white, gray and palettes
    become red, green and blue, and 16 bits a channel become 8.

    Args:
        path: the file; what it holds counts, not how its name ends.

    Returns:
        Levels [h w 3], 0 to 255, of dtype uint8.

    Raises:
        ValueError: if the file is missing, is no png or jpg, is damaged, or has more pixels than
            Pillow deems safe to unpack, 89 million.

    Examples:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     Image.new("RGB", (2, 1), "#ff8000").save(f"{folder}/orange.png")
        ...     read_image(f"{folder}/orange.png").tolist()
        [[[255, 128, 0], [255, 128, 0]]]
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Path(path).open("rb") as file, Image.open(file, formats=FORMATS) as image:
                return _as_levels(ImageOps.exif_transpose(image))
    except Image.UnidentifiedImageError:
        raise ValueError(f"{path} is not a png or jpg image; convert it to one") from None
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        most = Image.MAX_IMAGE_PIXELS
        raise ValueError(f"{path} has more than {most} pixels; scale it down") from None
    except OSError as error:
        reason = error.strerror or error
        raise ValueError(f"cannot read {path}: {reason}; expected a png or jpg image") from None
    except Exception as error:  # a damaged file raises anything, SyntaxError and more
        raise ValueError(f"{path} is damaged ({error}); expected a png or jpg image") from None


def photograph() -> Levels:
    """The photograph that comes with matplotlib: Grace Hopper, 600 rows of 512 pixels.

    Returns:
        Levels [600 512 3], 0 to 255, of dtype uint8.

    Examples:
        >>> photograph().shape
        (600, 512, 3)

    Source: a portrait by the United States Navy, in the public domain.
    """
    from matplotlib import cbook  # here alone: tables need no matplotlib

    return read_image(cbook.get_sample_data("grace_hopper.jpg", asfileobj=False))


def _as_levels(image: Image.Image) -> Levels:
    if image.mode.startswith("I"):  # 16 bits of gray, which Pillow's own conversion cuts off
        gray = np.rint(np.asarray(image) / 257).astype(np.uint8)
        return np.stack([gray, gray, gray], axis=2)
    if image.has_transparency_data:
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image.convert("RGBA"))
    return np.asarray(image.convert("RGB"))
