"""`CostCurveDisplay`: accuracy against acquisition cost."""

from __future__ import annotations

from typing import Any

import pandas as pd


class CostCurveDisplay:
    """Accuracy of a serial classifier against its mean acquisition cost.

    Make it with `from_estimator`; `plot` draws it (again).

    Parameters
    ----------
    curve : DataFrame
        As `SerialFusionClassifier.cost_curve` gives it.
    operating_point : tuple of float, default=None
        Mean cost and accuracy of the thresholds that the estimator uses.
    name : str, default=None
        Label of the curve.

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
    ):
        self.curve = curve
        self.operating_point = operating_point
        self.name = name

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
        curve = estimator.cost_curve(X, y, prices=prices)
        point = None
        if X is not None:
            report = estimator.decision_report(X)
            point = (report.mean_cost, float((report.labels == y).mean()))
        display = cls(curve, operating_point=point, name=name or type(estimator).__name__)
        return display.plot(ax=ax, **line_kw)

    def plot(self, ax: Any = None, *, name: str | None = None, **line_kw: Any) -> CostCurveDisplay:
        """Draw the curve, and the estimator's own thresholds as a dot.

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
        if ax is None:
            import matplotlib.pyplot as plt

            _, ax = plt.subplots()
        points = self.curve.sort_values(["mean_cost", "accuracy"])
        label = self.name if name is None else name
        (self.line_,) = ax.plot(
            points["mean_cost"],
            points["accuracy"],
            **{"marker": ".", "label": label, **line_kw},
        )
        if self.operating_point is not None:
            ax.plot(*self.operating_point, "o", color=self.line_.get_color(), markersize=9)
        ax.set(xlabel="mean acquisition cost per row", ylabel="accuracy")
        if label is not None:
            ax.legend(loc="lower right")
        self.ax_, self.figure_ = ax, ax.figure
        return self
