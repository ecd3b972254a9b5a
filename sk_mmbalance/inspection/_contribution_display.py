"""`ModalityContributionDisplay`: what each modality is worth, as bars."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._contributions import ModalityContributions, modality_contributions
from ._display_style import COLOURS, DARK, axes_of, keep_off_frame, words
from ._row_contributions import RowContributions


class ModalityContributionDisplay:
    """Contributions of modalities with their intervals; the largest on top.

    Contributions of rows are shown as the share of rows in which each modality contributes the
    most. Make it with `from_estimator` or `from_contributions`; `plot` draws it (again).

    Parameters
    ----------
    contributions : ModalityContributions or RowContributions
        As `modality_contributions` gives them.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where it was drawn.
    figure_ : matplotlib Figure
        The figure of it.
    bars_ : matplotlib BarContainer
        The bars.

    Examples
    --------
    >>> from sk_mmbalance import LateFusionClassifier
    >>> from sk_mmbalance.datasets import make_imbalanced_modalities
    >>> from sk_mmbalance.inspection import ModalityContributionDisplay
    >>> X, y, _ = make_imbalanced_modalities(600, modalities=["face", "voice"], random_state=0)
    >>> model = LateFusionClassifier().fit(X[:300], y[:300])
    >>> display = ModalityContributionDisplay.from_estimator(
    ...     model, X[300:], y[300:], random_state=0
    ... )
    >>> [round(float(bar.get_width()), 2) for bar in display.bars_]
    [0.06, 0.35]
    """

    def __init__(self, contributions: ModalityContributions | RowContributions):
        self.contributions = contributions

    @classmethod
    def from_estimator(
        cls, estimator: Any, X: Any, y: Any, *, ax: Any = None, **options: Any
    ) -> ModalityContributionDisplay:
        """Compute the contributions of a fitted estimator and draw them.

        Parameters
        ----------
        estimator : estimator
            Any fitted estimator.
        X : Modalities, dict, DataFrame or array-like of n_samples rows
            Rows that it has not been fitted on.
        y : array-like of shape (n_samples,)
            Their targets.
        ax : matplotlib Axes, default=None
            Where to draw; None for a new figure.
        **options
            Passed to `modality_contributions`.

        Returns
        -------
        ModalityContributionDisplay
            The display.
        """
        return cls(modality_contributions(estimator, X, y, **options)).plot(ax=ax)

    @classmethod
    def from_contributions(
        cls,
        contributions: ModalityContributions | RowContributions,
        *,
        ax: Any = None,
        **bar_kw: Any,
    ) -> ModalityContributionDisplay:
        """Draw contributions that are known already.

        Parameters
        ----------
        contributions : ModalityContributions or RowContributions
            As `modality_contributions` gives them.
        ax : matplotlib Axes, default=None
            Where to draw; None for a new figure.
        **bar_kw
            Passed to ``Axes.barh``.

        Returns
        -------
        ModalityContributionDisplay
            The display.
        """
        return cls(contributions).plot(ax=ax, **bar_kw)

    def plot(
        self, ax: Any = None, *, details: bool = False, **bar_kw: Any
    ) -> ModalityContributionDisplay:
        """Draw the bars.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None for a new figure.
        details : bool, default=False
            Whether marks show what each modality gains alone, and what is lost without it.
        **bar_kw
            Passed to ``Axes.barh``.

        Returns
        -------
        ModalityContributionDisplay
            Itself.
        """
        ax = axes_of(ax)
        keep_off_frame(ax)
        ax.grid(False, axis="y")
        found = self.contributions
        if isinstance(found, RowContributions):
            self._plot_dominance(ax, found, bar_kw)
        else:
            self._plot_values(ax, found, details, bar_kw)
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def _plot_values(
        self, ax: Any, found: ModalityContributions, details: bool, bar_kw: dict[str, Any]
    ) -> None:
        table = found.table.sort_values("contribution", kind="stable")
        values = table["contribution"].to_numpy()
        low, high = table["low"].to_numpy(), table["high"].to_numpy()
        self.bars_ = ax.barh(
            table.index, values, **{"color": COLOURS[0], "alpha": 0.85, "height": 0.6, **bar_kw}
        )
        rows = np.arange(len(table))
        if not np.isnan(low).all():
            ax.hlines(rows, low, high, color=DARK, linewidth=1.8)
        if details:
            gain = (table["alone"] - found.score_none).to_numpy()
            ax.plot(gain, rows, "D", color=COLOURS[4], markeredgecolor=DARK, label="gained alone")
            lost = table["drop"].to_numpy()
            ax.plot(lost, rows, "o", color="white", markeredgecolor=DARK, label="lost without it")
            # below the axes: no bar is hidden by it
            ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2, frameon=False)
        ax.axvline(0, color=DARK, linewidth=0.8)
        ax.set_xlabel(f"contribution to {words(found.setting.scoring)}")

    def _plot_dominance(self, ax: Any, found: RowContributions, bar_kw: dict[str, Any]) -> None:
        shares = found.dominance()[::-1]
        labels = [name.replace("=", " = ") for name in shares.index]
        self.bars_ = ax.barh(
            labels, shares, **{"color": COLOURS[0], "alpha": 0.85, "height": 0.6, **bar_kw}
        )
        ax.set_xlabel("share of rows in which it contributes the most")
