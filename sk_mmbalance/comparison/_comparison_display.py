"""`ComparisonDisplay`: models side by side, fold by fold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ._standing import DONE, in_words
from ._words import score_title, score_value

if TYPE_CHECKING:
    from ._result import Comparison

#: Okabe and Ito's colours, as in the displays of `inspection`.
_COLOURS = {
    "baseline": "#888888",
    "network": "#56B4E9",
    "method": "#0072B2",
    "pool": "#D55E00",
    "own": "#009E73",
}


class ComparisonDisplay:
    """Scores of every model by fold as small points, their mean as a large one; the best on top.

    A hollow mean is of a model that was ended, or failed, before its last fold. Losses are shown
    without the minus of their scorers: lower is better.

    Make it with `from_comparison` or ``Comparison.plot``; `plot` draws it (again).

    Parameters
    ----------
    comparison : Comparison
        As `compare` gives it.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where it was drawn.
    figure_ : matplotlib Figure
        The figure of it.
    means_ : dict of str to float
        The mean score of each model that is shown.
    """

    def __init__(self, comparison: Comparison):
        self.comparison = comparison

    @classmethod
    def from_comparison(cls, comparison: Comparison, *, ax: Any = None) -> ComparisonDisplay:
        """Draw a comparison.

        Parameters
        ----------
        comparison : Comparison
            As `compare` gives it.
        ax : matplotlib Axes, default=None
            Where to draw; None for a new figure.

        Returns
        -------
        ComparisonDisplay
            The display.
        """
        return cls(comparison).plot(ax=ax)

    def plot(self, ax: Any = None) -> ComparisonDisplay:
        """Draw the points.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None for a new figure.

        Returns
        -------
        ComparisonDisplay
            Itself.
        """
        table, scores = self.comparison.table, self.comparison.scores
        main = self.comparison.setting["scoring"][0]
        shown = table[table[main].notna()][::-1]
        if ax is None:
            import matplotlib.pyplot as plt

            height = 1 + 0.4 * len(shown)
            ax = plt.subplots(figsize=(7, height), layout="constrained")[1]
        ax.spines[["top", "right"]].set_visible(False)
        ax.set_axisbelow(True)
        ax.grid(alpha=0.3, axis="x")
        seen = set()
        for place, (name, line) in enumerate(shown.iterrows()):
            colour = _COLOURS[line["kind"]]
            values = score_value(main, scores.loc[scores["model"] == name, main].to_numpy())
            ax.plot(values, np.full(len(values), place), "o", ms=4, alpha=0.45, color=colour)
            label = None if line["kind"] in seen else line["kind"]
            inside = colour if line["status"] == DONE else "none"
            mean = score_value(main, line[main])
            ax.plot(mean, place, "D", ms=8, color=colour, mfc=inside)
            if label is not None:  # of the kind, so filled, whoever comes first
                ax.plot([], [], "D", ms=8, color=colour, label=label)
            seen.add(line["kind"])
        if self.comparison.baseline is not None:
            mark = score_value(main, table.loc[self.comparison.baseline, main])
            ax.axvline(mark, color="#888888", ls="--", lw=1)
        names = [
            str(name)
            if line["status"] == DONE
            else f"{name}\n{in_words(line['status'], line['folds'])}"
            for name, line in shown.iterrows()
        ]
        ax.set_yticks(range(len(names)), names)
        ax.set_ylim(-0.6, len(names) - 0.4)
        ax.set_xlabel(f"{score_title(main)}: by fold, and mean")
        ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.15), ncols=5, frameon=False)
        self.means_ = shown[main].to_dict()
        self.ax_, self.figure_ = ax, ax.figure
        return self
