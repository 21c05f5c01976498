"""What a study's figures show, as data: each is left out where the study has nothing for it.

Everything is drawn from the content of results.json, its summary, and the courses of its methods;
each panel says in words and numbers what is seen there.
"""

from collections.abc import Callable, Iterator

from jaxmix.report.pictures import Picture
from jaxmix.report.study_courses import clock_pictures, gap_pictures
from jaxmix.report.study_settings import sensitivity_pictures
from jaxmix.report.study_shown import Shown
from jaxmix.report.study_standings import (
    data_pictures,
    pair_pictures,
    performance_pictures,
    runtime_pictures,
    success_pictures,
)


def study_pictures(shown: Shown) -> list[Picture]:
    """Every figure that a study has something for, in the order of the page."""
    draw: tuple[Callable[[Shown], Iterator[Picture]], ...] = (
        gap_pictures,
        success_pictures,
        runtime_pictures,
        performance_pictures,
        data_pictures,
        pair_pictures,
        sensitivity_pictures,
        clock_pictures,
    )
    return [picture for one in draw for picture in one(shown)]
