"""Comparing methods: the same data, starts, objective, stopping rule and accounting for each."""

from itertools import chain

from jaxmix.first_use import on_first_use

_HOMES = {"comparison": ("compare",), "named_methods": ("Contender", "contenders")}

__all__ = sorted(chain(*_HOMES.values()))

__getattr__ = on_first_use(__name__, _HOMES)


def __dir__() -> list[str]:
    return __all__
