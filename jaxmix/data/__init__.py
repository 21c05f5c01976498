"""Data: tables, readers of files and images, streams, samples of known truth, standard columns."""

from jaxmix.data.generate import Truth, comparison_set, mixture_sample, three_clusters
from jaxmix.data.image import photograph, read_image
from jaxmix.data.load import label_name, load, names
from jaxmix.data.read import read
from jaxmix.data.standardize import standardize
from jaxmix.data.stream import Stream, stream
from jaxmix.data.table import Table

__all__ = [
    "Stream",
    "Table",
    "Truth",
    "comparison_set",
    "label_name",
    "load",
    "mixture_sample",
    "names",
    "photograph",
    "read",
    "read_image",
    "standardize",
    "stream",
    "three_clusters",
]
