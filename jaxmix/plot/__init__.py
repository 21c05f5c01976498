"""Pictures of data, components, densities, confidence, runs, bounds and scores, each on one Axes.

Every function draws on the matplotlib Axes that it is given, or on a new figure's, and returns it,
so that pictures lie over each other; a component keeps its color in all of them.
"""

from jaxmix.plot.curves import bounds, selection, trace
from jaxmix.plot.mixtures import components, confidence, density
from jaxmix.plot.points import confusion, scatter

__all__ = [
    "bounds",
    "components",
    "confidence",
    "confusion",
    "density",
    "scatter",
    "selection",
    "trace",
]
