"""What an outcome has to be: right, or an error of ours that names a parameter."""

from __future__ import annotations

import copy
import os
import re
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning, DataConversionWarning, FitFailedWarning

from sk_mmbalance import Modalities, exceptions

from ._case import Case

#: Outcomes so far, by family: "right", "refused" and, by kind, findings.
COUNTS: dict[str, Counter] = {}
#: The first finding of each sort, where findings are counted and do not end a test.
FIRST: dict[tuple[str, str], str] = {}

_OUR_WARNINGS = tuple(
    kind
    for kind in vars(exceptions).values()
    if isinstance(kind, type) and issubclass(kind, Warning)
)
#: scikit-learn's way of naming a parameter, which its own check suite demands of estimators.
NAMED = r"`{0}\b|The '{0}' parameter of "
ANY_NAME = re.compile(NAMED.format(r"[A-Za-z_]\w*"))


class Finding(AssertionError):
    """An outcome that should not be."""

    def __init__(self, kind: str, what: str, case: Any):
        super().__init__(f"{kind}: {what}\n{case!r}")
        self.kind = kind


def judge(family: str, run: Callable[..., dict[str, np.ndarray]], case: Case) -> None:
    """Run a case, and hold its outcome to what is promised.

    Parameters
    ----------
    family : str
        Under which the outcome is counted.
    run : callable
        ``run(X, y, fit, X_new, params)`` gives results by name.
    case : Case
        What is handed to it.
    """
    counts = COUNTS.setdefault(family, Counter())
    try:
        counts[_judged(run, case)] += 1
    except Finding as finding:
        counts[finding.kind] += 1
        if "SK_MMBALANCE_FUZZ_COUNTS" not in os.environ:
            raise
        _keep(family, finding)


def _keep(family: str, finding: Finding) -> None:
    """Keep the first finding of a sort; figures aside, its words are its sort."""
    sort = family, re.sub(r"[\d.]+", "", str(finding).partition("\n")[0])[:90]
    if sort not in FIRST:
        trace = traceback.format_exception(finding.__cause__, limit=-6)
        FIRST[sort] = f"{family}: {finding}\n{''.join(trace)}"


def _judged(run: Callable[..., dict[str, np.ndarray]], case: Case) -> str:
    before = _kept(case)
    draws = np.random.get_state()[1].copy(), torch.get_rng_state()  # noqa: NPY002
    try:
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            found = run(case.X, case.y, case.fit, case.X_new, case.params)
    except Finding as finding:
        raise Finding(finding.kind, str(finding), case) from finding
    except exceptions.DivergenceError:
        return "refused"
    except Exception as error:
        _look_at_error(error, case)
        return "refused"
    for warning in said:
        _look_at_warning(warning, case)
    if case.must_refuse:
        raise Finding("taken", f"what was spoilt was taken: {sorted(case.faults)}", case)
    if _kept(case) != before:
        raise Finding("changed", "the input is not as it was", case)
    numpy_draws = np.random.get_state()[1]  # noqa: NPY002
    if "random_state" in case.faults:  # None asks numpy's global generator for a seed
        numpy_draws = draws[0]
    if not (np.array_equal(draws[0], numpy_draws) and torch.equal(draws[1], torch.get_rng_state())):
        raise Finding("changed", "a global random state is not as it was", case)
    if case.plain is not None and (case.plain_new is not None or case.X_new is None):
        _compare(run, case, found)
    return "right"


def _look_at_error(error: Exception, case: Case) -> None:
    words = f"{type(error).__name__}: {error}"
    if not isinstance(error, ValueError | TypeError):
        raise Finding("foreign", words, case) from error
    if not ANY_NAME.search(str(error)):
        raise Finding("foreign", words, case) from error
    if case.must_take:
        raise Finding("sound, but refused", words, case) from error
    if case.faults and not any(re.search(NAMED.format(n), str(error)) for n in case.faults):
        raise Finding("foreign", f"names none of {sorted(case.faults)}: {words}", case) from error


def _look_at_warning(warning: warnings.WarningMessage, case: Case) -> None:
    kinds = (*_OUR_WARNINGS, ConvergenceWarning, DataConversionWarning)
    # a search says of failed fits what they said
    kinds_of_words = UserWarning | FitFailedWarning
    ours = issubclass(warning.category, kinds_of_words) and "`" in str(warning.message)
    ours = ours or any(words in str(warning.message) for words in case.may_warn)
    # what failed, a search has said of each
    ours = ours or "test scores are non-finite" in str(warning.message)
    # an expert's own words, handed on with its name and fold
    ours = ours or re.match(r"\('.*', (fold|all rows)", str(warning.message)) is not None
    # scikit-learn's own splitters, in its own searches
    ours = ours or "less than n_splits" in str(warning.message)
    # said where names came with `fit` only, as scikit-learn's own estimators do
    ours = ours or " feature names, but " in str(warning.message)
    ours = ours or "valid feature names" in str(warning.message)
    # torch's own words about the modules that `compile` loads
    torchs = "site-packages/torch/" in warning.filename
    ours = ours or (torchs and issubclass(warning.category, DeprecationWarning))
    if not issubclass(warning.category, kinds) and not ours:
        raise Finding(
            "foreign",
            f"{warning.category.__name__}: {warning.message} ({warning.filename}:{warning.lineno})",
            case,
        )


def _compare(run: Callable[..., dict[str, np.ndarray]], case: Case, found: dict) -> None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            same = run(case.plain, case.plain_y, case.plain_fit, case.plain_new, case.plain_params)
    except (ValueError, TypeError) as error:
        raise Finding("silent", f"in plain form refused: {error}", case) from error
    for name in found.keys() & same.keys():
        got, expected = found[name], same[name]
        if got.dtype.kind in "fiub" and expected.dtype.kind in "fiub":
            equal = np.array_equal(got, expected, equal_nan=got.dtype.kind == "f")
        else:
            equal = got.tolist() == expected.tolist()
        if not equal:
            close = got.dtype.kind == "f" and got.shape == expected.shape
            close = close and np.allclose(got, expected, equal_nan=True)
            raise Finding("bits" if close else "silent", f"other {name} in plain form", case)


def _kept(case: Case) -> list[bytes]:
    """The bytes of what came as arrays."""
    parts = case.X.values() if isinstance(case.X, Mapping | Modalities) else [case.X]
    return [
        value.tobytes()
        for value in [*parts, case.y, *case.fit.values()]
        if type(value) is np.ndarray and value.dtype != object
    ]


# -- what is run -----------------------------------------------------------------------------------


def classifier(model: Any) -> Callable[..., dict[str, np.ndarray]]:
    """Fit, predict, and hold probabilities to what every classifier promises."""

    def run(X: Any, y: Any, fit: dict, X_new: Any, params: dict) -> dict[str, np.ndarray]:
        fitted = fitted_or_new(model, X, y, fit, params)
        predicted, proba = np.asarray(fitted.predict(X_new)), fitted.predict_proba(X_new)
        if not np.isfinite(proba).all() or (proba < 0).any() or (proba > 1).any():
            raise Finding("silent", "probabilities that are none", None)
        if predicted.ndim == 1 and not np.allclose(proba.sum(axis=1), 1, atol=1e-5):
            raise Finding("silent", "probabilities that do not add up to one", None)
        if predicted.ndim == 1 and not set(predicted.tolist()) <= {*fitted.classes_.tolist(), None}:
            raise Finding("silent", "a prediction that is no class", None)
        return {"predict": predicted, "predict_proba": proba}

    return run


def regressor(model: Any) -> Callable[..., dict[str, np.ndarray]]:
    """Fit and predict finite numbers."""

    def run(X: Any, y: Any, fit: dict, X_new: Any, params: dict) -> dict[str, np.ndarray]:
        predicted = fitted_or_new(model, X, y, fit, params).predict(X_new)
        if not np.isfinite(predicted).all():
            raise Finding("silent", "numbers that are not finite", None)
        return {"predict": predicted}

    return run


def fitted_or_new(model: Any, X: Any, y: Any, fit: dict, params: dict) -> Any:
    """A copy that is fitted; where `fit` raises, it must not be half of it."""
    own = model.get_params(deep=False)
    inside = {n if n in own else f"estimator__{n}": value for n, value in params.items()}
    if "estimator" in params:  # another one, which has no such parameters
        inside = {n: value for n, value in inside.items() if "__" not in n}
    fresh = copy.deepcopy(model).set_params(**inside)
    try:
        return fresh.fit(X, y, **fit)
    except Exception:
        left = [name for name in vars(fresh) if name.endswith("_") and not name.startswith("_")]
        if left:
            raise Finding("half", f"a failed fit left {left}", None) from None
        raise
