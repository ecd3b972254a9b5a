"""What the displays of this room share: colours that everyone can tell apart, and axes."""

from __future__ import annotations

from typing import Any

#: Okabe and Ito's colours, from the darkest; they stay apart for colour-blind readers and in grey.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")

#: For what stands beside the figures: whiskers, zero lines, other points.
DARK, GREY = "#333333", "#888888"


def axes_of(ax: Any) -> Any:
    """The axes given, or those of a new figure."""
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt

    return plt.subplots(layout="constrained")[1]


def keep_off_frame(ax: Any) -> None:
    """Leave out the frame's upper and right side, and draw a light grid behind the data."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.set_axisbelow(True)
    ax.grid(alpha=0.3)


def words(scoring: str) -> str:
    """Name of a scorer as a person writes it."""
    return "R²" if scoring == "r2" else scoring.replace("neg_", "negative ").replace("_", " ")
