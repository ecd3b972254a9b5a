"""scikit-learn's own checks on our estimators: all of them, none expected to fail."""

from __future__ import annotations

import warnings
from typing import Any

from sklearn.base import is_classifier, is_regressor
from sklearn.exceptions import SkipTestWarning
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.utils import get_tags
from sklearn.utils.estimator_checks import (
    _check_name,
    check_estimator,
    estimator_checks_generator,
)

#: The first needs an environment variable and packages of its own; the second an estimator with
#: `decision_function`, which those of ours that take several labels lack, as `MLPClassifier` does.
MAY_SKIP = {
    "check_array_api_input",
    "check_classifiers_multilabel_output_format_decision_function",
}

#: Run for `MLPClassifier` because it takes several label columns; not for ours that refuse them.
MULTILABEL = {
    "check_classifiers_multilabel_representation_invariance",
    "check_classifiers_multilabel_output_format_decision_function",
    "check_classifiers_multilabel_output_format_predict_proba",
    "check_classifiers_multilabel_output_format_predict",
}


def check_names(estimator: Any) -> set[str]:
    """Names of the checks that scikit-learn runs for an estimator."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SkipTestWarning)
        return {_check_name(check) for _, check in estimator_checks_generator(estimator)}


def assert_all_checks_pass(estimator: Any, *, absent: frozenset[str] = frozenset()) -> None:
    """Run every check and compare their names with those of scikit-learn's own network.

    The comparison keeps a tag from switching off part of the suite unseen.

    Parameters
    ----------
    estimator : estimator
        An unfitted instance.
    absent : frozenset of str
        Checks that scikit-learn runs for its network but not for `estimator`; each needs its
        reason at the call (those on sparse input for an estimator that takes none, say).
    """
    if is_classifier(estimator):
        refused = set() if get_tags(estimator).classifier_tags.multi_label else MULTILABEL
        missing = check_names(MLPClassifier()) - refused - check_names(estimator)
        assert missing == absent, f"not run: {sorted(missing)}; expected: {sorted(absent)}"
    elif is_regressor(estimator):
        missing = check_names(MLPRegressor()) - check_names(estimator)
        assert missing == absent, f"not run: {sorted(missing)}; expected: {sorted(absent)}"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SkipTestWarning)
        results = check_estimator(estimator, on_skip=None, on_fail=None)
    failed = {r["check_name"]: repr(r["exception"]) for r in results if r["status"] == "failed"}
    assert not failed, f"{len(failed)} of {len(results)} checks failed: {failed}"
    others = {r["check_name"] for r in results if r["status"] != "passed"}
    # partial_fit checks skip themselves without saying so; nothing else may be left out
    assert others <= MAY_SKIP, f"skipped: {sorted(others - MAY_SKIP)}"
