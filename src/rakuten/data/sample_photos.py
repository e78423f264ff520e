"""Photos of the synthetic catalogue: a silhouette per product, drawn with jitter and encoded."""

from functools import cache
from typing import Final, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from rakuten.data.sample_looks import LOOKALIKES, LOOKS, PALETTES, SCENES, SHAPES

SIDE: Final = 500
TYPICAL: Final = 0.86
"""Share of photos that show what their product type usually looks like."""

_CIRCLE: Final = np.stack(
    [np.cos(np.linspace(0, 2 * np.pi, 28)), np.sin(np.linspace(0, 2 * np.pi, 28))], axis=1
)

Pixels: TypeAlias = NDArray[np.uint8]
Colour: TypeAlias = tuple[float, float, float]


def draw_photo(rng: np.random.Generator, kind: int) -> Pixels:
    """Draw the photo of a product of type ``kind``: 500 × 500, BGR."""
    shapes, palettes, scene = LOOKS[_shown_kind(rng, kind)]
    shape = _pick(rng, shapes.split())
    if rng.random() < 0.04:
        shape = _pick(rng, ["parcel", "logo"])
    name = _pick(rng, palettes.split()) if rng.random() < 0.88 else _pick(rng, list(PALETTES))
    canvas = _background(rng, scene)
    shape, _, copies = shape.partition("*")
    count = int(copies or 1)
    tilt = rng.normal(0, 5) if rng.random() < 0.96 else rng.choice([90.0, -90.0, 180.0])
    size = rng.uniform(0.78, 1.0) * 225 * (1.0 if count == 1 else 0.72)
    for copy in range(count):
        offset = (copy - (count - 1) / 2) * 130 / count
        sketch = _Sketch(rng, canvas, _colours(rng, PALETTES[name].split()))
        sketch.place(size, tilt + copy * 8 * (count > 1), (offset, rng.uniform(-20, 20)))
        sketch.draw(shape)
    return _finish(rng, canvas)


def encode_photo(pixels: Pixels, *, quality: int = 80, suffix: str = ".jpg") -> bytes:
    """Encode a photo as JPEG of the given quality, or as ``.png``."""
    options = [cv2.IMWRITE_JPEG_QUALITY, quality] if suffix == ".jpg" else []
    return cv2.imencode(suffix, pixels, options)[1].tobytes()


def recrop(rng: np.random.Generator, pixels: Pixels) -> Pixels:
    """Cut off a thin border and scale back, as sellers who reuse a photo do."""
    cut = int(rng.integers(3, 16))
    inner = np.ascontiguousarray(pixels[cut : SIDE - cut, cut : SIDE - cut])
    return np.asarray(cv2.resize(inner, (SIDE, SIDE), interpolation=cv2.INTER_AREA), np.uint8)


class _Sketch:
    """A silhouette on its way onto a canvas: placement, colours and jitter."""

    def __init__(
        self, rng: np.random.Generator, canvas: Pixels, colours: dict[str, Colour]
    ) -> None:
        self.rng = rng
        self.canvas = canvas
        self.colours = colours
        self.matrix: NDArray[np.float64] = np.eye(2)
        self.centre: NDArray[np.float64] = np.zeros(2)

    def place(self, size: float, degrees: float, offset: tuple[float, float]) -> None:
        """Set scale in pixels, rotation, shear, aspect and position."""
        turn = np.deg2rad(degrees)
        cos, sin = np.cos(turn), np.sin(turn)
        stretch = np.diag(self.rng.uniform(0.84, 1.12, 2) * [self.rng.choice([1, 1, 1, 1, -1]), 1])
        stretch[0, 1] = self.rng.normal(0, 0.06)
        self.matrix = np.array([[cos, -sin], [sin, cos]]) @ stretch * size
        self.centre = SIDE / 2 + self.rng.uniform(-14, 14, 2) + offset

    def draw(self, shape: str) -> None:
        """Draw every primitive of a silhouette; now and then a minor one is left out."""
        for number, (name, values, colour) in enumerate(_parsed(shape)):
            if number and self.rng.random() < 0.07:
                continue
            shade = self.colours[colour]
            if name in "pl":
                width = values[-1] if name == "l" else 0.0
                self._lines(np.reshape(values[: len(values) // 2 * 2], (-1, 2)), width, shade)
            elif name == "o":
                self._fill(_CIRCLE * values[2:] + values[:2], shade)
            elif name == "r":
                x0, y0, x1, y1 = values
                self._box(x0, y0, x1, y1, shade)
            else:
                self._texture(name, values, shade)

    def _fill(self, points: NDArray[np.float64], colour: Colour) -> None:
        jitter = self.rng.normal(0, 0.012, (len(points), 2)) if len(points) < 12 else 0.0
        pixels = (points + jitter) @ self.matrix.T + self.centre
        corners = np.rint(pixels * 16).astype(np.int32)
        cv2.fillPoly(self.canvas, [corners], colour, cv2.LINE_AA, 4)

    def _box(self, x0: float, y0: float, x1: float, y1: float, colour: Colour) -> None:
        self._fill(np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]]), colour)

    def _lines(self, points: NDArray[np.float64], width: float, colour: Colour) -> None:
        if not width:
            self._fill(points, colour)
            return
        pixels = np.rint((points @ self.matrix.T + self.centre) * 16).astype(np.int32)
        thickness = max(1, round(width * float(np.abs(self.matrix).max())))
        cv2.polylines(self.canvas, [pixels], False, colour, thickness, cv2.LINE_AA, 4)

    def _texture(self, name: str, area: tuple[float, ...], colour: Colour) -> None:
        x0, y0, x1, y1 = area
        if name == "t":
            rows = max(1, round((y1 - y0) / 0.13))
            for top in np.linspace(y0, y1, rows, endpoint=False):
                end = x0 + (x1 - x0) * self.rng.uniform(0.45, 1.0)
                self._box(x0, top, end, top + (y1 - y0) / rows * 0.55, colour)
        elif name == "s":
            count = int(self.rng.integers(3, 8))
            step = (x1 - x0) / count
            for left in np.linspace(x0, x1, count, endpoint=False):
                self._box(left, y0, left + step * 0.45, y1, colour)
        else:
            self._box(x0, y0, x1, y1, colour)
            for _ in range(int(self.rng.integers(3, 8))):
                half = self.rng.uniform(0.08, 0.42, 2) * [x1 - x0, y1 - y0] / 2
                middle = self.rng.uniform([x0, y0] + half, [x1, y1] - half)
                points = _CIRCLE[:: int(self.rng.choice([1, 6, 9]))] * half + middle
                self._fill(points, _shade(self.rng, _hex(self._any())))

    def _any(self) -> str:
        return _pick(self.rng, PALETTES[_pick(self.rng, list(PALETTES))].split())


@cache
def _parsed(shape: str) -> tuple[tuple[str, tuple[float, ...], str], ...]:
    parts = [part.split() for part in SHAPES[shape].split(";")]
    return tuple((name, tuple(map(float, values)), colour) for name, *values, colour in parts)


def _pick(rng: np.random.Generator, values: list[str]) -> str:
    return values[int(rng.integers(len(values)))]


def _shown_kind(rng: np.random.Generator, kind: int) -> int:
    if rng.random() < TYPICAL:
        return kind
    others = LOOKALIKES[kind] if rng.random() < 0.6 else tuple(LOOKS)
    return others[int(rng.integers(len(others)))]


def _hex(code: str) -> Colour:
    return int(code[4:], 16), int(code[2:4], 16), int(code[:2], 16)


def _shade(rng: np.random.Generator, colour: Colour) -> Colour:
    blue, green, red = np.clip(np.array(colour) + rng.normal(0, 14, 3), 0, 255).tolist()
    return blue, green, red


def _colours(rng: np.random.Generator, palette: list[str]) -> dict[str, Colour]:
    first, second, third = (palette[i] for i in rng.permutation(len(palette))[:3])
    other = _pick(rng, PALETTES["bright"].split())
    codes = {"a": first, "b": second, "c": third, "x": other, "k": "26262a", "w": "f4f2ee"}
    return {name: _shade(rng, _hex(code)) for name, code in codes.items()}


def _background(rng: np.random.Generator, scene: str) -> Pixels:
    canvas = np.full((SIDE, SIDE, 3), 255, np.uint8)
    draw = rng.random()
    if draw < 0.72:
        return canvas
    if draw < 0.8:
        scene = _pick(rng, list(SCENES))
    top, bottom = (_shade(rng, _hex(code)) for code in SCENES[scene])
    horizon = int(rng.integers(180, 400))
    canvas[:horizon] = top
    canvas[horizon:] = bottom
    return canvas


def _finish(rng: np.random.Generator, canvas: Pixels) -> Pixels:
    """Add light, softness and grain."""
    if rng.random() < 0.3:
        canvas = np.asarray(cv2.GaussianBlur(canvas, (5, 5), 0), np.uint8)
    if rng.random() < 0.5:
        gain, lift = rng.uniform(0.8, 1.08), rng.uniform(-12, 12)
        canvas = np.asarray(cv2.convertScaleAbs(canvas, alpha=gain, beta=lift), np.uint8)
    if rng.random() < 0.35:
        grain = rng.integers(0, 8, (SIDE, SIDE), np.uint8)
        canvas = np.asarray(cv2.subtract(canvas, cv2.merge([grain, grain, grain])), np.uint8)
    return canvas
