"""Curves and bars as SVG files: small, and the same bytes for the same figures. Measures nothing."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

_LOOK: dict[Any, Any] = {
    "svg.hashsalt": "despliegue",  # else ids are random
    "svg.fonttype": "none",  # text stays text
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.3,
    "legend.frameon": False,
    "font.size": 9,
}


def save_curves(
    path: Path, title: str, across: str, up: str, curves: Mapping[str, Sequence[tuple[float, float]]]
) -> None:
    """Draw curves on logarithmic axes.

    Args:
        path: of the SVG file.
        title: above them.
        across: what the size is.
        up: what the cost is, with its unit.
        curves: size and cost of each point, by name.
    """
    with _drawn(path, title) as axes:
        for name, points in curves.items():
            axes.plot(*zip(*points, strict=True), marker="o", markersize=3, linewidth=1.2, label=name)
        axes.set(xlabel=across, ylabel=up, xscale="log", yscale="log")
        axes.minorticks_off()
        axes.legend(fontsize=8)


def save_bars(path: Path, title: str, up: str, bars: Mapping[str, Mapping[str, float]]) -> None:
    """Draw groups of bars on a logarithmic axis, from the line at 1.

    Args:
        path: of the SVG file.
        title: above them.
        up: what their height is.
        bars: by name, and by group: one that a name does not have is left out.
    """
    groups = list(dict.fromkeys(group for found in bars.values() for group in found))
    width = 0.85 / len(bars)
    with _drawn(path, title) as axes:
        for at, (name, found) in enumerate(bars.items()):
            places = [groups.index(group) + (at - (len(bars) - 1) / 2) * width for group in found]
            axes.bar(places, [height - 1 for height in found.values()], width, 1, label=name)
        axes.axhline(1, color="black", linewidth=0.8)
        axes.set(ylabel=up, yscale="log")
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_formatter("{x:g}")
        axes.tick_params(axis="y", which="both", labelsize=7)
        axes.set_xticks(range(len(groups)), [group.replace(", ", "\n") for group in groups], fontsize=8)
        axes.grid(visible=False, axis="x")
        axes.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1, 1))


@contextmanager
def _drawn(path: Path, title: str) -> Iterator[Axes]:
    """Axes, to be drawn on, and saved at the end."""
    with mpl.rc_context(_LOOK):
        figure = Figure(figsize=(6, 3.6), layout="constrained")
        axes = figure.subplots()
        axes.set(title=title)
        yield axes
        figure.savefig(path, format="svg", metadata={"Date": None, "Creator": None})
    # Without the spaces that matplotlib leaves at the ends of lines.
    path.write_text("".join(f"{line.rstrip()}\n" for line in path.read_text().splitlines()))
