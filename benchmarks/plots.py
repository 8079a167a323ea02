"""Curves as SVG files: small, and the same bytes for the same figures. Measures nothing."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
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
    with mpl.rc_context(_LOOK):
        figure = Figure(figsize=(6, 3.6), layout="constrained")
        axes = figure.subplots()
        for name, points in curves.items():
            axes.plot(*zip(*points, strict=True), marker="o", markersize=3, linewidth=1.2, label=name)
        axes.set(title=title, xlabel=across, ylabel=up, xscale="log", yscale="log")
        axes.minorticks_off()
        axes.legend(fontsize=8)
        figure.savefig(path, format="svg", metadata={"Date": None, "Creator": None})
    # Without the spaces that matplotlib leaves at the ends of lines.
    path.write_text("".join(f"{line.rstrip()}\n" for line in path.read_text().splitlines()))
