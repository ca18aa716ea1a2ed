"""The house style: one palette that the colour-blind can tell apart, one way to lay out a figure."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

__all__ = [
    "CATEGORIES",
    "FOCUS",
    "GRID",
    "INK",
    "LESS",
    "MORE",
    "MUTED",
    "NARROW",
    "PAPER",
    "SOFT",
    "WIDE",
    "compact",
    "draw",
    "to_png",
    "to_svg",
]

INK = "#1d2a35"
MUTED = "#566573"
GRID = "#dfe4e8"
SOFT = "#eef1f4"
PAPER = "#ffffff"
#: The organisation that the page is about.
FOCUS = "#005eb8"
#: More cost and less cost: orange and teal differ in lightness too, and are never used without a sign.
MORE = "#c4500d"
LESS = "#00756b"
#: (fill, hatch, ink that can be read on it) in a fixed order: each has its own lightness, and doubt is hatched.
CATEGORIES = (
    ("#0b3c5d", "", PAPER),
    ("#2f7fb8", "", PAPER),
    ("#a9cfe6", "", INK),
    ("#e0a030", "////", "#111111"),
    ("#d5dadf", "xxxx", INK),
)

#: Width in inches of the two forms of each figure: a page, and a phone.
WIDE, NARROW = 7.4, 3.6

_RC: Any = {
    "font.family": ["DejaVu Sans"],
    "font.size": 8.5,
    "text.color": INK,
    "axes.labelcolor": MUTED,
    "axes.labelsize": 8,
    "axes.edgecolor": GRID,
    "axes.facecolor": PAPER,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.axisbelow": True,
    "axes.grid": False,
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "xtick.color": MUTED,
    "ytick.color": INK,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8.5,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "figure.facecolor": PAPER,
    "hatch.linewidth": 0.5,
    "lines.solid_capstyle": "butt",
    # Text stays text: it can be searched, read aloud and checked, and it is set in the page's own face.
    "svg.fonttype": "none",
    "svg.hashsalt": "pathcost",
}


def compact(ax: Axes) -> bool:
    """Say whether the figure is the narrow form, for a phone."""
    return bool(ax.get_figure(root=True).get_size_inches()[0] < 5)  # type: ignore[union-attr]


def draw(function: Callable[..., Axes], *args: Any, width: float, height: float, **options: Any) -> Figure:
    """Draw a figure function on a fresh figure of the house style; no global state, so nothing is lost or left open."""
    with mpl.rc_context(_RC):
        figure = Figure(figsize=(width, height), dpi=72, layout="constrained")  # SVG's own points
        function(figure.add_subplot(), *args, **options)
        figure.draw_without_rendering()
    figure.set_layout_engine("none")  # laid out once: saving would do it all again, and move nothing
    return figure


def to_svg(figure: Figure) -> str:
    """Return the figure as SVG, the same bytes for the same figure."""
    buffer = io.StringIO()
    with mpl.rc_context(_RC):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    return re.sub(r"'DejaVu Sans'(, sans-serif)?", "Arial, Helvetica, 'DejaVu Sans', sans-serif", text)


def to_png(figure: Figure, dpi: int = 170) -> bytes:
    """Return the figure as a picture, the same bytes for the same figure: for slides, where SVG is not safe to use."""
    buffer = io.BytesIO()
    with mpl.rc_context(_RC):
        FigureCanvasAgg(figure)
        figure.savefig(buffer, format="png", dpi=dpi, metadata={"Software": None})
    return buffer.getvalue()
