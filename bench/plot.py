"""A plot with logarithmic axes as an SVG: some curves over a size, beside a line that is linear growth. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from xml.sax.saxutils import escape

WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM = 640, 400, 64, 40, 130, 48
COLOURS = ("#1f6fb2", "#c2410c", "#15803d", "#7e22ce", "#a16207")  # each has a dash of its own as well
DASHES = ("", "6 3", "2 3", "8 3 2 3", "1 4")
LEAST = 1e-4  # of a cost: what is below was not measured well

Curve = Sequence[tuple[int, float]]


def plot(title: str, unit: str, curves: Mapping[str, Curve]) -> str:
    """The picture. Costs are seconds; colours stay readable on light and dark."""
    points = [(size, max(cost, LEAST)) for curve in curves.values() for size, cost in curve]
    sizes, costs = [size for size, _ in points], [cost for _, cost in points]
    x, y = _Axis(min(sizes), max(sizes), LEFT, WIDTH - RIGHT), _Axis(min(costs), max(costs), HEIGHT - BOTTOM, TOP)
    parts = [_text(WIDTH / 2, 20, title, "middle", 14), _text(14, TOP - 12, "seconds", "start")]
    parts.append(_text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 8, unit, "middle"))
    parts += [_tick(x, value, vertical=True) for value in _decades(min(sizes), max(sizes))]
    parts += [_tick(y, value, vertical=False) for value in _decades(min(costs), max(costs))]
    for number, (name, curve) in enumerate(curves.items()):
        colour, dash = COLOURS[number % len(COLOURS)], DASHES[number % len(DASHES)]
        places = [(x(size), y(max(cost, LEAST))) for size, cost in curve]
        parts.append(_line(places, colour, dash))
        parts += [f'<circle cx="{a:.1f}" cy="{b:.1f}" r="3" fill="{colour}"/>' for a, b in places]
        key = TOP + 10 + 20 * number
        parts.append(_line([(WIDTH - RIGHT + 12, key), (WIDTH - RIGHT + 34, key)], colour, dash))
        parts.append(_text(WIDTH - RIGHT + 40, key + 4, name, "start"))
    parts.append(_linear(x, y, max(points)))
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif"'
        f' font-size="11" role="img"><title>{escape(title)}</title>\n<rect width="100%" height="100%" fill="#fff"/>\n'
        f"{body}\n</svg>\n"
    )


class _Axis:
    """Where a value lies, between two places, logarithmically; whole decades are shown."""

    def __init__(self, least: float, most: float, begin: float, end: float) -> None:
        self.low, self.high = math.floor(math.log10(least)), math.ceil(math.log10(most))
        self.high += self.high == self.low
        self.begin, self.end = begin, end

    def __call__(self, value: float) -> float:
        share = (math.log10(value) - self.low) / (self.high - self.low)
        return self.begin + share * (self.end - self.begin)


def _decades(least: float, most: float) -> list[float]:
    axis = _Axis(least, most, 0, 1)
    return [10.0**power for power in range(axis.low, axis.high + 1)]


def _tick(axis: _Axis, value: float, *, vertical: bool) -> str:
    place, shown = axis(value), f"{value:,.0f}" if value >= 1 else f"{value:g}"
    if vertical:
        line = _line([(place, TOP), (place, HEIGHT - BOTTOM)], "#ddd")
        return line + _text(place, HEIGHT - BOTTOM + 16, shown, "middle")
    return _line([(LEFT, place), (WIDTH - RIGHT, place)], "#ddd") + _text(LEFT - 6, place + 4, shown, "end")


def _linear(x: _Axis, y: _Axis, last: tuple[int, float]) -> str:
    """Linear growth that ends where the largest size does."""
    size, cost = last
    start = max(10.0**x.low, size * 10.0**y.low / cost)
    places = [(x(start), y(cost * start / size)), (x(size), y(cost))]
    key = HEIGHT - BOTTOM - 12
    shown = _line([(WIDTH - RIGHT + 12, key), (WIDTH - RIGHT + 34, key)], "#888", "1 2")
    return _line(places, "#888", "1 2") + shown + _text(WIDTH - RIGHT + 40, key + 4, "linear", "start")


def _line(places: Sequence[tuple[float, float]], colour: str, dash: str = "") -> str:
    joined = " ".join(f"{a:.1f},{b:.1f}" for a, b in places)
    dashed = f' stroke-dasharray="{dash}"' if dash else ""
    return f'<polyline points="{joined}" fill="none" stroke="{colour}" stroke-width="1.5"{dashed}/>'


def _text(x: float, y: float, text: str, anchor: str, size: int = 11) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}">{escape(text)}</text>'
