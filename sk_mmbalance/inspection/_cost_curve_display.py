"""`CostCurveDisplay`: how good an answer is against what its modalities cost."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd

from ._coalitions import CoalitionScores
from ._display_style import GREY, axes_of, keep_off_frame, words


class CostCurveDisplay:
    """Accuracy, or another score, against the mean cost of acquiring modalities.

    For a serial classifier that is the curve of its prices (`from_estimator`); for any estimator,
    the score with every set of modalities against the cost of the set (`from_coalitions`), with a
    line through those sets that no cheaper one beats. `plot` draws it (again).

    Parameters
    ----------
    curve : DataFrame
        Columns `mean_cost` and `accuracy`, as `SerialFusionClassifier.cost_curve` gives it.
    operating_point : tuple of float, default=None
        Mean cost and accuracy of the thresholds that the estimator uses.
    name : str, default=None
        Label of the curve.
    points : DataFrame, default=None
        Further points, with a label each in the index; those of the curve are labelled.
    score_name : str, default="accuracy"
        What is drawn upwards.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where it was drawn.
    figure_ : matplotlib Figure
        The figure of it.
    line_ : matplotlib Line2D
        The curve.

    Examples
    --------
    >>> import pandas as pd
    >>> from sk_mmbalance import CostCurveDisplay
    >>> curve = pd.DataFrame({"price": [0.0, 0.1], "mean_cost": [4.0, 1.0], "accuracy": [0.9, 0.8]})
    >>> display = CostCurveDisplay(curve, name="chain").plot()
    >>> display.line_.get_xdata().tolist()
    [1.0, 4.0]
    """

    def __init__(
        self,
        curve: pd.DataFrame,
        *,
        operating_point: tuple[float, float] | None = None,
        name: str | None = None,
        points: pd.DataFrame | None = None,
        score_name: str = "accuracy",
    ):
        self.curve = curve
        self.operating_point = operating_point
        self.name = name
        self.points = points
        self.score_name = score_name

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any = None,
        y: Any = None,
        *,
        prices: Any = None,
        ax: Any = None,
        name: str | None = None,
        **line_kw: Any,
    ) -> CostCurveDisplay:
        """Compute the curve of a fitted serial classifier and draw it.

        Parameters
        ----------
        estimator : SerialFusionClassifier or SerialSemiSupervisedClassifier
            Fitted estimator.
        X : Modalities, dict, DataFrame or array-like of n_samples rows, default=None
            Rows to show, with all modalities; None for the out-of-fold scores of `fit`.
        y : array-like of shape (n_samples,), default=None
            Their labels.
        prices : array-like of float, default=None
            Prices of cost; see `SerialFusionClassifier.cost_curve`.
        ax : matplotlib Axes, default=None
            Where to draw; None for a new figure.
        name : str, default=None
            Label of the curve; None for the class name.
        **line_kw
            Passed to ``Axes.plot``.

        Returns
        -------
        CostCurveDisplay
            The display.
        """
        if not hasattr(estimator, "cost_curve"):
            raise TypeError(
                f"`estimator` must have `cost_curve`, as serial classifiers do; "
                f"{type(estimator).__name__} has none. For any other, use "
                "CostCurveDisplay.from_coalitions(coalition_scores(estimator, X, y), costs)."
            )
        curve = estimator.cost_curve(X, y, prices=prices)
        point = None
        if X is not None:
            report = estimator.decision_report(X)
            point = (report.mean_cost, float((report.labels == y).mean()))
        display = cls(curve, operating_point=point, name=name or type(estimator).__name__)
        return display.plot(ax=ax, **line_kw)

    @classmethod
    def from_coalitions(
        cls,
        coalitions: CoalitionScores,
        costs: Mapping[str, float] | None = None,
        *,
        ax: Any = None,
        name: str | None = None,
        **line_kw: Any,
    ) -> CostCurveDisplay:
        """Draw the score with every set of modalities against what the set costs.

        Parameters
        ----------
        coalitions : CoalitionScores
            As `coalition_scores` gives them, for any fitted estimator.
        costs : dict of str to float, default=None
            Cost of each modality; None counts modalities.
        ax : matplotlib Axes, default=None
            Where to draw; None for a new figure.
        name : str, default=None
            Label of the line; None for the class name of the estimator.
        **line_kw
            Passed to ``Axes.plot``.

        Returns
        -------
        CostCurveDisplay
            The display.
        """
        costs = _read_costs(costs, coalitions.names)
        totals = [
            sum(costs[n] for m, n in enumerate(coalitions.names) if number >> m & 1)
            for number in range(len(coalitions.scores))
        ]
        labels = [
            " + ".join(n for m, n in enumerate(coalitions.names) if number >> m & 1) or "none"
            for number in range(len(coalitions.scores))
        ]
        points = pd.DataFrame(
            {"mean_cost": totals, "accuracy": coalitions.scores}, index=pd.Index(labels)
        ).sort_values(["mean_cost", "accuracy"], ascending=[True, False], kind="stable")
        before = np.concatenate([[-np.inf], np.maximum.accumulate(points["accuracy"])[:-1]])
        display = cls(
            points[points["accuracy"] > before],
            name=name or coalitions.setting.estimator,
            points=points,
            score_name=words(coalitions.setting.scoring),
        )
        return display.plot(ax=ax, **line_kw)

    def plot(self, ax: Any = None, *, name: str | None = None, **line_kw: Any) -> CostCurveDisplay:
        """Draw the curve, further points, and the estimator's own thresholds as a dot.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None for a new figure.
        name : str, default=None
            Label of the curve; None for that of the display.
        **line_kw
            Passed to ``Axes.plot``.

        Returns
        -------
        CostCurveDisplay
            Itself.
        """
        ax = axes_of(ax)
        keep_off_frame(ax)
        points = self.curve.sort_values(["mean_cost", "accuracy"])
        label = self.name if name is None else name
        (self.line_,) = ax.plot(
            points["mean_cost"],
            points["accuracy"],
            **{"marker": ".", "label": label, **line_kw},
        )
        if self.points is not None:
            self._plot_points(ax, self.points)
        if self.operating_point is not None:
            ax.plot(*self.operating_point, "o", color=self.line_.get_color(), markersize=9)
        ax.set(xlabel="mean acquisition cost per row", ylabel=self.score_name)
        if label is not None:
            ax.legend(loc="lower right" if self.points is None else "best")
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def _plot_points(self, ax: Any, points: pd.DataFrame) -> None:
        """All sets as dots, those on the line named: where the line leaves room."""
        ax.plot(points["mean_cost"], points["accuracy"], ".", color=GREY, zorder=1)
        ax.margins(x=0.08, y=0.1)
        middle = (points["mean_cost"].min() + points["mean_cost"].max()) / 2
        for label, point in self.curve.iterrows():
            left = point["mean_cost"] <= middle  # the line rises: free are below right, above left
            ax.annotate(
                label,
                (point["mean_cost"], point["accuracy"]),
                xytext=(7, -3) if left else (-7, 3),
                textcoords="offset points",
                ha="left" if left else "right",
                va="top" if left else "bottom",
                fontsize="small",
            )


def _read_costs(costs: Any, names: tuple[str, ...]) -> dict[str, float]:
    if costs is None:
        return dict.fromkeys(names, 1.0)
    if not isinstance(costs, Mapping) or set(costs) != set(names):
        raise ValueError(
            f"`costs` must name a cost for each modality, {list(names)}; got {costs!r}."
        )
    wrong = [n for n, cost in costs.items() if not isinstance(cost, Real) or not float(cost) >= 0]
    if wrong:
        raise ValueError(f"`costs` must hold numbers of at least 0; not so for {sorted(wrong)}.")
    return dict(costs)
