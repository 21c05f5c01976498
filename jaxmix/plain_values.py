"""Results as JSON can hold them."""

import math
from collections.abc import Mapping
from typing import Any


def nulls(value: Any) -> Any:
    """Copy a nested result with NaN and infinities replaced by None, which JSON can hold.

    >>> nulls({"gap": [1.0, float("inf")]})
    {'gap': [1.0, None]}
    """
    if isinstance(value, Mapping):
        return {key: nulls(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [nulls(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
