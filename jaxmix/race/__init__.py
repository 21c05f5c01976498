"""Comparing methods: the same data, starts, objective, stopping rule and accounting for each."""

from jaxmix.race.comparison import compare
from jaxmix.race.contenders import Contender, contenders

__all__ = ["Contender", "compare", "contenders"]
