"""The frame of a panel in a picture: its place, its title, its legend, room for its data."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from rakuten.observability.canvas import SMALL
from rakuten.observability.looks import EDGE, PANEL, TEXT
from rakuten.observability.panels import Kind, Place

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# All lengths are in dots.
CELL_WIDTH: Final = 68.0
CELL_HEIGHT: Final = 36.0
GAP: Final = 4.0
TOP: Final = 66.0
_LINE: Final = 15.0
_MOST_LINES: Final = 3

Entry = tuple[float, str, str]
"""Where an entry of a legend begins, its text, its colour."""


def legend_lines(entries: Sequence[tuple[str, str]], room: float) -> list[list[Entry]]:
    """Entries (text, colour) in lines of a width; what needs more than three is left out."""
    lines: list[list[Entry]] = []
    used = room
    for text, shade in entries:
        width = 34 + 5.8 * len(text)
        if used + width > room:
            lines.append([])
            used = 0.0
        lines[-1].append((used, text, shade))
        used += width
    return lines[:_MOST_LINES]


@dataclass(frozen=True)
class Frame:
    """A rectangle of the figure, measured from the page's upper left corner."""

    figure: "Figure"
    page: tuple[float, float]
    left: float
    top: float
    width: float
    height: float

    @classmethod
    def on_grid(cls, figure: "Figure", page: tuple[float, float], where: Place) -> "Frame":
        """The frame of a place on the dashboard's grid."""
        left, top = where.x * CELL_WIDTH + GAP, where.y * CELL_HEIGHT + TOP
        return cls(figure, page, left, top, where.width * CELL_WIDTH, where.height * CELL_HEIGHT)

    def fill(self) -> None:
        """Draw the panel's background and edge."""
        from matplotlib.patches import Rectangle

        left, bottom, width, height = self._inside(GAP, GAP, GAP, GAP)
        looks = {"facecolor": PANEL, "edgecolor": EDGE, "linewidth": 0.8, "zorder": -1}
        self.figure.add_artist(Rectangle((left, bottom), width, height, **looks))  # type: ignore[arg-type]

    def text(
        self,
        x: float,
        y: float,
        text: str,
        shade: str,
        size: float,
        *,
        bold: bool = False,
        right: bool = False,
    ) -> None:
        """Write at a point of the frame; the text ends there where ``right``."""
        self.figure.text(
            (self.left + x) / self.page[0],
            1 - (self.top + y) / self.page[1],
            text,
            color=shade,
            fontsize=size,
            weight="bold" if bold else "normal",
            va="center",
            ha="right" if right else "left",
        )

    def legend(self, lines: Sequence[Sequence[Entry]]) -> None:
        """Write the lines of a legend at the bottom."""
        for number, line in enumerate(reversed(lines)):
            y = self.height - 15 - number * _LINE
            for x, text, shade in line:
                self.text(14 + x, y, "━", shade, 9)
                self.text(30 + x, y, text, TEXT, SMALL)

    def axes(self, kind: Kind, left: float, lines: int) -> "Axes":
        """Room for the data: below the title, above axis and legend."""
        if kind == "stat":
            return self._axes(GAP + 1, 30, GAP + 1, GAP + 1)
        if kind == "table":
            return self._axes(12, 34, 12, 8)
        return self._axes(left, 36, 18, 28 + lines * _LINE)

    def _axes(self, left: float, top: float, right: float, bottom: float) -> "Axes":
        return self.figure.add_axes(self._inside(left, top, right, bottom))

    def _inside(
        self, left: float, top: float, right: float, bottom: float
    ) -> tuple[float, float, float, float]:
        """What remains within margins, in parts of the page from its lower left corner."""
        width, height = self.page
        return (
            (self.left + left) / width,
            1 - (self.top + self.height - bottom) / height,
            (self.width - left - right) / width,
            (self.height - top - bottom) / height,
        )
