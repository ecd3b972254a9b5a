"""`MissingModalityDisplay`: the score as modalities go missing."""

from __future__ import annotations

from typing import Any

from ._display_style import COLOURS, axes_of, keep_off_frame, words
from ._missing_curve import MissingModalityCurve, missing_modality_curve


class MissingModalityDisplay:
    """Score at growing rates of missing modalities, with the range over draws.

    Make it with `from_estimator` or `from_curve`; `plot` draws it (again). Several can share axes.

    Parameters
    ----------
    curve : MissingModalityCurve
        As `missing_modality_curve` gives it.
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
    >>> from sk_mmbalance import LateFusionClassifier
    >>> from sk_mmbalance.datasets import make_imbalanced_modalities
    >>> from sk_mmbalance.inspection import MissingModalityDisplay
    >>> X, y, _ = make_imbalanced_modalities(600, modalities=["face", "voice"], random_state=0)
    >>> model = LateFusionClassifier(missing="mask").fit(X[:300], y[:300])
    >>> display = MissingModalityDisplay.from_estimator(
    ...     model, X[300:], y[300:], rates=[0, 0.5], removal="native", random_state=0
    ... )
    >>> display.line_.get_xdata().tolist()
    [0.0, 0.5]
    """

    def __init__(self, curve: MissingModalityCurve, *, name: str | None = None):
        self.curve = curve
        self.name = name

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any,
        *,
        ax: Any = None,
        name: str | None = None,
        **options: Any,
    ) -> MissingModalityDisplay:
        """Compute the curve of a fitted estimator and draw it.

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
        name : str, default=None
            Label of the curve; None for the class name.
        **options
            Passed to `missing_modality_curve`.

        Returns
        -------
        MissingModalityDisplay
            The display.
        """
        curve = missing_modality_curve(estimator, X, y, **options)
        return cls(curve, name=name or type(estimator).__name__).plot(ax=ax)

    @classmethod
    def from_curve(
        cls,
        curve: MissingModalityCurve,
        *,
        ax: Any = None,
        name: str | None = None,
        **line_kw: Any,
    ) -> MissingModalityDisplay:
        """Draw a curve that is known already.

        Parameters
        ----------
        curve : MissingModalityCurve
            As `missing_modality_curve` gives it.
        ax : matplotlib Axes, default=None
            Where to draw; None for a new figure.
        name : str, default=None
            Label of the curve; None for the class name of its estimator.
        **line_kw
            Passed to ``Axes.plot``.

        Returns
        -------
        MissingModalityDisplay
            The display.
        """
        return cls(curve, name=name or curve.setting.estimator).plot(ax=ax, **line_kw)

    def plot(
        self, ax: Any = None, *, name: str | None = None, **line_kw: Any
    ) -> MissingModalityDisplay:
        """Draw the mean over draws, and the range over them as a band.

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
        MissingModalityDisplay
            Itself.
        """
        ax = axes_of(ax)
        keep_off_frame(ax)
        table, pattern = self.curve.table, self.curve.pattern
        rates = table.index.to_numpy()
        label = self.name if name is None else name
        colour = COLOURS[len(ax.lines) % len(COLOURS)]
        # markers differ too, so that curves are told apart without colour
        marker = "osD^vP"[len(ax.lines) % 6]
        (self.line_,) = ax.plot(
            rates, table["score"], **{"color": colour, "marker": marker, "label": label, **line_kw}
        )
        ax.fill_between(
            rates,
            table["min"],
            table["max"],
            color=self.line_.get_color(),
            alpha=0.15,
            linewidth=0,
        )
        gone = "a modality" if pattern == "random" else pattern
        ax.set_xlabel(f"rate at which {gone} is missing")
        ax.set_ylabel(words(self.curve.setting.scoring))
        if label is not None:
            ax.legend(loc="lower left")
        self.ax_, self.figure_ = ax, ax.figure
        return self
