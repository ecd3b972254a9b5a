"""Parameters that all functions of this room share are described once and shown on each."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

_F = TypeVar("_F", bound=Callable)

_DATA = """\
    estimator : estimator
        Any fitted estimator with `predict`: ours, one of scikit-learn, a pipeline, a search, or a
        class of your own. Only its public methods are used.
    X : Modalities, dict, DataFrame or array-like of n_samples rows
        Rows that `estimator` has not been fitted on, in the form it takes. A flat table needs
        `modalities`.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        Their targets.
"""

_OPTIONS = {
    "modalities": """\
    modalities : dict of str to columns, default=None
        Columns of each modality, where `X` is a flat table: slices, lists, masks or patterns, as in
        our estimators. Columns that are not named are never removed. None takes the parameter
        `modalities` of `estimator`.
""",
    "scoring": """\
    scoring : str or callable, default=None
        Name of a scorer of scikit-learn, or a callable ``scorer(estimator, X, y)``; larger is
        better. None is accuracy for classifiers and R² for regressors.
""",
    "removal": """\
    removal : {"permute", "marginal", "mean", "zero", "native"}, default="permute"
        What stands in the place of a modality that is removed:

        - "permute": the same modality of another row of `X`; scores are averaged over shuffles;
        - "marginal": the modality of rows drawn from `background`; *outputs* are averaged over
          draws (labels by majority);
        - "mean": mean of each feature in `background`;
        - "zero": zeros, as in much published code;
        - "native": NaN, which the estimator takes for a missing modality (``missing="mask"``).
""",
    "background": """\
    background : Modalities, dict, DataFrame or array-like, default=None
        Rows for "marginal" and "mean", best the training rows. None takes `X`.
""",
    "n_repeats": """\
    n_repeats : int, default=5
        Shuffles of "permute", draws of "marginal".
""",
    "empty": """\
    empty : {"auto", "model", "prior"} or float, default="auto"
        What stands for an answer where nothing is left: "model" asks the estimator about rows from
        which everything was removed, "prior" takes class shares (or the mean) of `y`, a number is
        the score itself. "auto" is "prior" with ``removal="native"`` and "model" else.
""",
    "n_bootstrap": """\
    n_bootstrap : int, default=200
        Bootstrap resamples of rows behind standard errors and intervals; 0 for none. Predictions
        are computed once. Scorers other than accuracy, log loss, R² and mean errors are called once
        a resample, in one of the draws, which takes longer and makes intervals a little wide.
""",
    "confidence": """\
    confidence : float, default=0.95
        Level of the (percentile) intervals.
""",
    "groups": """\
    groups : array-like of shape (n_samples,), default=None
        Rows that belong together (a speaker, a day); whole groups are resampled.
""",
    "sample_weight": """\
    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the rows, in scores and means.
""",
    "n_jobs": """\
    n_jobs : int, default=None
        Number of coalitions computed in parallel.
""",
    "random_state": """\
    random_state : int, RandomState or None, default=None
        Seeds shuffles, draws and resamples.
""",
}

#: What a curve does not take: it has no intervals, its spread is that over draws.
_NOT_OF_CURVES = ("n_bootstrap", "confidence", "groups", "n_jobs")


def shared_parameters(function: _F) -> _F:
    """Put the shared parameters in the place of ``{data}``, ``{options}``, ``{curve_options}``."""
    places = {
        "{data}": _DATA,
        "{options}": "".join(_OPTIONS.values()),
        "{curve_options}": "".join(
            text for name, text in _OPTIONS.items() if name not in _NOT_OF_CURVES
        ),
    }
    doc = function.__doc__ or ""
    for place, text in places.items():
        doc = doc.replace(f"    {place}\n", text)
    function.__doc__ = doc
    return function
