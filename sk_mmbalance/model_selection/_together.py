"""Several fits to the same rows, trained together where that pays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from .._sklearn import check_method_params
from ._search import same_rows
from ._shares import Divided


def fit_together(
    asked: Any, candidates: list[dict[str, Any]], X: Any, y: Any, fit_params: Mapping[str, Any]
) -> tuple[list[Any], pd.DataFrame]:
    """Fit one estimator with several sets of parameters to all rows.

    Parameters
    ----------
    asked : VectorizedGridSearchCV, or an object
        Whose `estimator`, `n_jobs`, `stack`, `max_models`, `halving`, `error_score` and `verbose`
        are read.
    candidates : list of dict
        Parameters.
    X, y : as the estimator takes them
        All rows.
    fit_params : dict
        Parameters of its `fit`.

    Returns
    -------
    fitted : list of estimators
        By candidate; an exception where a fit failed, None where it is better fitted by itself.
    report : DataFrame
        Which were trained together, and why others were not.

    Examples
    --------
    >>> from sk_mmbalance import MultimodalClassifier
    >>> from sk_mmbalance.datasets import load_digits_views
    >>> from sk_mmbalance.model_selection import VectorizedGridSearchCV, fit_together
    >>> X, y = load_digits_views(return_X_y=True)
    >>> asked = VectorizedGridSearchCV(MultimodalClassifier(max_epochs=2), {}, stack=True)
    >>> seeds = [{"random_state": seed} for seed in range(3)]
    >>> fitted, report = fit_together(asked, seeds, X[:200], y[:200], {})
    >>> report["stacked"].tolist(), fitted[2].random_state
    ([True, True, True], 2)
    """
    X, y = same_rows(X, y)
    fit_params = check_method_params(X, params=dict(fit_params))
    together = Divided(asked, candidates, [(slice(None), slice(0, 0))])
    return together.fit(X, y, fit_params), together.report()
