"""`BalanceCurveDisplay`: how fast each modality learnt, epoch by epoch."""

from __future__ import annotations

from typing import Any

import pandas as pd

from ._display_style import COLOURS, DARK, axes_of, keep_off_frame

#: What is drawn if nothing is asked for: the first of these that a history has per modality.
_METRICS = ("valid_accuracy", "train_accuracy", "valid_score", "train_score", "train_loss")


class BalanceCurveDisplay:
    """A figure of every modality over the epochs of a fit, beside that of the whole model.

    A modality whose curve lies low while another's is high already is the one that joint training
    starves. Make it with `from_estimator` or `from_history`; `plot` draws it (again).

    Parameters
    ----------
    history : DataFrame
        One row an epoch, with columns like ``face__train_accuracy`` and ``train_accuracy``.
    metric : str, default="auto"
        What follows the modality's name. "auto" takes accuracy on held-out rows if there is one,
        else on training rows, else the loss.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where it was drawn.
    figure_ : matplotlib Figure
        The figure of it.
    lines_ : dict of str to matplotlib Line2D
        The curves of the modalities.

    Examples
    --------
    >>> import pandas as pd
    >>> from sk_mmbalance.inspection import BalanceCurveDisplay
    >>> history = pd.DataFrame(
    ...     {"face__train_accuracy": [0.6, 0.9], "voice__train_accuracy": [0.5, 0.6]}
    ... )
    >>> display = BalanceCurveDisplay.from_history(history)
    >>> display.lines_["voice"].get_ydata().tolist()
    [0.5, 0.6]
    """

    def __init__(self, history: pd.DataFrame, *, metric: str = "auto"):
        self.history = history
        self.metric = metric

    @classmethod
    def from_estimator(
        cls, estimator: Any, *, metric: str = "auto", ax: Any = None, **line_kw: Any
    ) -> BalanceCurveDisplay:
        """Draw the history of a fitted estimator.

        Parameters
        ----------
        estimator : estimator
            One that keeps figures per modality and epoch in `history_`: any of our networks, alone,
            at the end of a pipeline, or as the best of a search.
        metric : str, default="auto"
            What follows the modality's name in the columns of `history_`.
        ax : matplotlib Axes, default=None
            Where to draw; None for a new figure.
        **line_kw
            Passed to ``Axes.plot``.

        Returns
        -------
        BalanceCurveDisplay
            The display.
        """
        inner = estimator
        while not hasattr(inner, "history_"):
            if hasattr(inner, "best_estimator_"):
                inner = inner.best_estimator_
            elif hasattr(inner, "steps"):
                inner = inner.steps[-1][1]
            else:
                raise TypeError(
                    f"`estimator` must have `history_`, a table with figures per modality and "
                    f"epoch; {type(estimator).__name__} has none. Our networks keep one; for "
                    "any estimator, ModalityContributionDisplay shows what modalities are worth."
                )
        return cls(inner.history_, metric=metric).plot(ax=ax, **line_kw)

    @classmethod
    def from_history(
        cls, history: pd.DataFrame, *, metric: str = "auto", ax: Any = None, **line_kw: Any
    ) -> BalanceCurveDisplay:
        """Draw a history.

        Parameters
        ----------
        history : DataFrame
            One row an epoch, with columns like ``face__train_accuracy``.
        metric : str, default="auto"
            What follows the modality's name in its columns.
        ax : matplotlib Axes, default=None
            Where to draw; None for a new figure.
        **line_kw
            Passed to ``Axes.plot``.

        Returns
        -------
        BalanceCurveDisplay
            The display.
        """
        return cls(history, metric=metric).plot(ax=ax, **line_kw)

    def plot(self, ax: Any = None, **line_kw: Any) -> BalanceCurveDisplay:
        """Draw a line for each modality, and a dashed one for the whole model.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None for a new figure.
        **line_kw
            Passed to ``Axes.plot``.

        Returns
        -------
        BalanceCurveDisplay
            Itself.
        """
        metric, columns = self._columns()
        ax = axes_of(ax)
        keep_off_frame(ax)
        epochs = self.history.get("epoch", pd.Series(range(1, len(self.history) + 1)))
        self.lines_ = {}
        for number, (name, column) in enumerate(columns.items()):
            style = {
                "color": COLOURS[number % len(COLOURS)],
                "marker": "osD^vP"[number % 6],
                "markersize": 4,
                "markevery": max(1, len(self.history) // 10),
                "label": name,
            }
            (self.lines_[name],) = ax.plot(epochs, self.history[column], **{**style, **line_kw})
        if metric in self.history and self.history[metric].notna().any():
            ax.plot(epochs, self.history[metric], "--", color=DARK, label="all modalities")
        ax.set(xlabel="epoch", ylabel=metric.replace("_", " "))
        ax.legend()
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def _columns(self) -> tuple[str, dict[str, str]]:
        """The metric, and its column for each modality."""
        per_metric: dict[str, dict[str, str]] = {}
        for column in self.history.columns:
            name, separator, metric = str(column).partition("__")
            if separator and self.history[column].notna().any():
                per_metric.setdefault(metric, {})[name] = column
        if self.metric == "auto":
            for metric in _METRICS:
                if metric in per_metric:
                    return metric, per_metric[metric]
        elif self.metric in per_metric:
            return self.metric, per_metric[self.metric]
        raise ValueError(
            f"`metric` must be 'auto' or one of {sorted(per_metric)}, for which the history has a "
            f"column per modality; got {self.metric!r}."
        )
