"""Panels as inline SVG: small, of text that the page's style sets, and described for who listens.

Everything of one method is in groups that name its number, by which a page shows and hides it.
"""

from collections.abc import Sequence
from html import escape

import numpy as np

from jaxmix.report.pictures import Line, Look, Marks, Panel, Tick, broken, placed, stepped

WIDTH, HEIGHT = 360, 280
LEFT, RIGHT, TOP, BOTTOM = 68, 16, 10, 46
GREY = Look("", "#999", (2, 3), "circle", 1.0)
SHAPES = {
    "square": ((-4, -4), (4, -4), (4, 4), (-4, 4)),
    "triangle": ((0, -5), (4.7, 3.5), (-4.7, 3.5)),
    "down": ((0, 5), (4.7, -3.5), (-4.7, -3.5)),
    "diamond": ((0, -5.5), (5.5, 0), (0, 5.5), (-5.5, 0)),
}
"""Corners of marks in pixels."""


def panel_svg(panel: Panel, people: Sequence[Look]) -> str:
    """A panel as an `svg` element.

    Args:
        panel: what to draw.
        people: the looks of who is in it, by number.
    """
    parts = [*_axes(panel), *(_series(one, panel, people) for one in panel.series)]
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(panel.alt)}">'
        f"{''.join(parts)}</svg>"
    )


def sample(look: Look) -> str:
    """A short piece of somebody's line with the mark on it, for legends."""
    drawn = f'<path d="M1 7H33" {_stroke(look)}/>{_mark(17, 7, look)}'
    return f'<svg class="sample" viewBox="0 0 34 14" aria-hidden="true">{drawn}</svg>'


def _x(at: float) -> float:
    return round(LEFT + at * (WIDTH - LEFT - RIGHT), 1)


def _y(at: float) -> float:
    return round(HEIGHT - BOTTOM - at * (HEIGHT - TOP - BOTTOM), 1)


def _axes(panel: Panel) -> list[str]:
    foot = HEIGHT - BOTTOM
    parts = [f'<path class="axis" d="M{LEFT} {TOP}V{foot}H{WIDTH - RIGHT}"/>']
    for tick in panel.x.ticks():
        at = _x(tick.at)
        parts.append(f'<path class="axis" d="M{at} {foot}v{5 if tick.label else 3}"/>')
        last = at + 4 * len(tick.label) > WIDTH
        parts.append(_text(WIDTH - 2 if last else at, foot + 18, "end" if last else "middle", tick))
    for tick in panel.y.ticks():
        at = _y(tick.at)
        parts.append(f'<path class="axis" d="M{LEFT} {at}h-{5 if tick.label else 3}"/>')
        parts.append(_text(LEFT - 8, at + 4, "end", tick))
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(_text(middle, HEIGHT - 8, "middle", Tick(0, panel.x.label)))
    turned = f'transform="translate(13 {(TOP + foot) / 2}) rotate(-90)" text-anchor="middle"'
    return [*parts, f"<text {turned}>{escape(panel.y.label)}</text>"]


def _text(x: float, y: float, anchor: str, tick: Tick) -> str:
    """Text, its exponent raised if it has one."""
    base, power, exponent = (
        tick.label.rpartition("^") if "10^" in tick.label else (tick.label, "", "")
    )
    raised = f'<tspan dy="-5" class="exponent">{exponent}</tspan>' if power else ""
    text = f'<text x="{x}" y="{y}" text-anchor="{anchor}">{escape(base)}{raised}</text>'
    return text if tick.label else ""


def _series(one: Line | Marks, panel: Panel, people: Sequence[Look]) -> str:
    look = GREY if one.who is None else people[one.who]
    x, y = placed(panel.x, one.x), placed(panel.y, one.y)
    ends = [placed(panel.y, end) for end in (one.low, one.high)]
    drawn = _line(one, x, y, ends, look) if isinstance(one, Line) else _marks(one, x, y, ends, look)
    who = "" if one.who is None else f' data-who="{one.who}"'
    return f"<g{who}>{drawn}</g>"


def _line(one: Line, x: np.ndarray, y: np.ndarray, ends: list[np.ndarray], look: Look) -> str:
    parts = []
    if len(ends[0]):
        there = np.isfinite(ends[0])
        high = np.where(np.isfinite(ends[1]), ends[1], 1.0)
        for (at, low), (_, top) in zip(
            broken(x, ends[0]), broken(x, np.where(there, high, np.nan))
        ):
            around = _path(np.append(at, at[::-1]), np.append(low, top[::-1]))
            parts.append(f'<path d="{around}Z" fill="{look.color}" opacity="0.16"/>')
    if one.thin:
        look = look._replace(width=0.8)
    for stretch in broken(x, y):
        path = _path(*(stepped(*stretch) if one.steps else stretch))
        parts.append(f'<path d="{path}" {_stroke(look)}/>')
    return "".join(parts)


def _path(x: np.ndarray, y: np.ndarray) -> str:
    return "M" + "L".join(f"{_x(a):g} {_y(b):g}" for a, b in zip(x, y))


def _stroke(look: Look) -> str:
    dashes = f' stroke-dasharray="{" ".join(map(str, look.dashes))}"' if look.dashes else ""
    return f'fill="none" stroke="{look.color}" stroke-width="{look.width:g}"{dashes}'


def _marks(one: Marks, x: np.ndarray, y: np.ndarray, ends: list[np.ndarray], look: Look) -> str:
    bars = [
        f'<path d="M{_x(a):g} {_y(low):g}V{_y(high):g}" stroke="{look.color}" stroke-width="1.5"/>'
        for a, low, high in zip(x, *ends)
    ]
    there = [(a, b) for a, b in zip(x, y) if np.isfinite(a) and np.isfinite(b)]
    if one.cross:
        crosses = "".join(f"M{_x(a) - 4:g} {_y(b) - 4:g}l8 8m0 -8l-8 8" for a, b in there)
        return f'<path d="{crosses}" stroke="{look.color}" stroke-width="2" fill="none"/>'
    return "".join([*bars, *(_mark(_x(a), _y(b), look, one.small) for a, b in there)])


def _mark(x: float, y: float, look: Look, small: bool = False) -> str:
    size = 0.7 if small else 1.0
    if look.shape == "circle":
        shape = f'<circle cx="{x:g}" cy="{y:g}" r="{4.4 * size:g}"'
    else:
        corners = " ".join(f"{x + size * a:.1f},{y + size * b:.1f}" for a, b in SHAPES[look.shape])
        shape = f'<polygon points="{corners}"'
    return f'{shape} fill="{look.color}" stroke="#fff" stroke-width="0.7"/>'
