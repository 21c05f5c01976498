"""The published tables that come with the package, each with its source."""

from importlib.resources import as_file, files
from typing import NamedTuple

from jaxmix.data.read import read
from jaxmix.data.table import Table
from jaxmix.suggestions import unknown


class _Bundled(NamedTuple):
    file: str
    columns: dict[str, str]
    source: str
    labels: str | None = None
    sample_weights: str | None = None
    unit: float = 1.0


_BUNDLED = {
    "faithful": _Bundled(
        "faithful.csv",
        {"eruptions": "eruptions", "waiting": "waiting"},
        "Old Faithful geyser, minutes of eruption and of waiting for the next one: "
        "Härdle 1991; Azzalini and Bowman 1990",
    ),
    "galaxies": _Bundled(
        "galaxies_mass.csv",
        {"velocity_km_s": "velocity"},
        "Velocities of 82 galaxies in the Corona Borealis region, 1000 km/s: Postman, Huchra and "
        "Geller 1986; Roeder 1990. The 78th velocity is 26.690; some copies misprint 26.960",
        unit=1000.0,
    ),
    "iris": _Bundled(
        "iris.csv",
        {name: name for name in ("sepal_length", "sepal_width", "petal_length", "petal_width")},
        "Sepals and petals of 150 irises of three species, cm: Fisher 1936, measured by "
        "Anderson 1935. Rows 35 and 38 have Fisher's values",
        labels="species",
    ),
    "hasselblad": _Bundled(
        "hasselblad_deaths.csv",
        {"death": "deaths"},
        "Deaths a day of women over 80 in The Times, 1910 to 1912, and on how many days: "
        "Hasselblad 1969",
        sample_weights="freq",
    ),
    "linkage": _Bundled(
        "rao_linkage.csv",
        {"cell": "cell"},
        "Counts of 197 animals in four genetic classes: Rao 1965; Dempster, Laird and Rubin 1977",
        sample_weights="count",
    ),
}


def names() -> tuple[str, ...]:
    """List the names that `load` knows.

    Returns:
        The names of the bundled tables.

    Example:
        >>> names()
        ('faithful', 'galaxies', 'iris', 'hasselblad', 'linkage')
    """
    return tuple(_BUNDLED)


def label_name(name: str) -> str | None:
    """What the known classes of a bundled table are called; None where it has none."""
    return _BUNDLED[name].labels


def load(name: str) -> Table:
    """Load a published table.

    Args:
        name: "faithful", "galaxies", "iris" (with species as labels), "hasselblad" or "linkage"
            (both counted: the counts are the sample weights).

    Returns:
        The table, x float64 [n d].

    Raises:
        ValueError: if there is no such table.

    Example:
        >>> load("faithful")
        Table 'faithful': 272 x 2 (eruptions, waiting)
    """
    if name not in _BUNDLED:
        raise unknown("data set", name, names())
    bundled = _BUNDLED[name]
    with as_file(files("jaxmix.data") / "tables" / bundled.file) as path:
        table, _ = read(path, list(bundled.columns), bundled.labels, bundled.sample_weights)
    return Table(
        name=name,
        x=table.x / bundled.unit,
        columns=tuple(bundled.columns.values()),
        labels=table.labels,
        sample_weights=table.sample_weights,
        source=bundled.source,
    )
