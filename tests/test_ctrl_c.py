"""Ctrl-C at any line of `fit`, once or twice, leaves the old fit, the new one, or none."""

import copy
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.preprocessing import StandardScaler

import sk_mmbalance
from sk_mmbalance import (
    ARMClassifier,
    CMSFedClassifier,
    FedAvgClassifier,
    FedCMIClassifier,
    LateFusionClassifier,
    ModalityTransformer,
    MultimodalClassifier,
    OpinionPoolClassifier,
    SerialFusionClassifier,
    SerialSemiSupervisedClassifier,
    SustainedBoostingClassifier,
    UnimodalClassifier,
)

PACKAGE = str(Path(sk_mmbalance.__file__).parent)
NETWORK = {"max_epochs": 2, "hidden_layer_sizes": (2,), "embedding_dim": 2, "random_state": 0}
FEDERATED = {"n_rounds": 2, "hidden_layer_sizes": (2,), "feature_dim": 2, "random_state": 0}

FAMILIES = {
    "ARM": ARMClassifier(temperature=1.0),
    "best single modality": UnimodalClassifier(cv=2),
    "late fusion": LateFusionClassifier(weights="cv", cv=2),
    "opinion pool": OpinionPoolClassifier({"all": None}, cv=2),
    "serial": SerialFusionClassifier(cv=2),
    "serial, teaching": SerialSemiSupervisedClassifier(cv=2),
    "network": MultimodalClassifier(**NETWORK),
    "network, fitted weights": MultimodalClassifier(**NETWORK, fusion_weights="fit", cv=2),
    "boosting": SustainedBoostingClassifier(**NETWORK, head_width=2),
    "FedAvg": FedAvgClassifier(**FEDERATED),
    "FedCMI": FedCMIClassifier(**FEDERATED),
    "CMSFed": CMSFedClassifier(**FEDERATED),
}

rng = np.random.default_rng(0)
y = np.arange(20) % 2
# Two data sets of other names: a mixture of two fits can answer for neither.
A, B = ({name: rng.normal(size=(20, 2)) + y[:, None] for name in names} for names in ("ab", "cd"))


def trace_lines(call, at=()):
    """Lines of the package that `call` runs; KeyboardInterrupt at those numbered `at`."""
    seen = []

    def on_line(frame, event, arg):
        if event == "line":
            seen.append((frame.f_code.co_filename, frame.f_lineno))
            if len(seen) - 1 in at:
                raise KeyboardInterrupt
        return on_line

    before = sys.gettrace()
    sys.settrace(
        lambda frame, *_: on_line if frame.f_code.co_filename.startswith(PACKAGE) else None
    )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            call()
    except KeyboardInterrupt:
        pass
    finally:
        sys.settrace(before)
    return seen


def answer(estimator, X):
    """Probabilities for a data set; None if it was not fitted on it."""
    try:
        return estimator.predict_proba(X)
    except NotFittedError:
        return None
    except ValueError as error:
        if "modality" not in str(error):
            raise
        return None  # it knows others


def assert_one_whole_fit(estimator, before, first_keys, at):
    """Whether the estimator is what it was, or fitted on B, or not fitted."""
    old, new = answer(estimator, A), answer(estimator, B)
    if old is not None:
        np.testing.assert_array_equal(old, before, err_msg=f"line {at}")
        assert set(vars(estimator)) == first_keys, at
    elif new is not None:
        assert np.isfinite(new).all(), at
        assert estimator.modality_names_ == ["c", "d"], at
    else:
        assert not hasattr(estimator, "classes_"), at


def fitted_on_a(family):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return clone(FAMILIES[family]).fit(A, y)


def interrupt_at_lines(family, choose):
    fitted = fitted_on_a(family)
    before, keys = fitted.predict_proba(A), set(vars(fitted))
    estimator = copy.deepcopy(fitted)
    lines = trace_lines(lambda: estimator.fit(B, y))
    n = len(lines)
    assert n > 50
    assert answer(estimator, A) is None
    for at in choose(lines, n):
        estimator = copy.deepcopy(fitted)
        trace_lines(lambda estimator=estimator: estimator.fit(B, y), at)
        assert_one_whole_fit(estimator, before, keys, at)


def towards_the_end(lines, n):
    """The last lines, where state changes, and twice with some lines between."""
    return [(at,) for at in range(n - 12, n)] + [(at, at + 2) for at in range(n - 24, n - 3, 6)]


def every_line(lines, n):
    """Every line of code at its first turn, and at some of them twice."""
    first = sorted({line: at for at, line in reversed(list(enumerate(lines)))}.values())
    return [(at,) for at in first] + [(at, at + 5) for at in first[::9]]


@pytest.mark.parametrize("family", FAMILIES)
def test_ctrl_c_at_the_last_lines_leaves_one_whole_fit(family):
    interrupt_at_lines(family, towards_the_end)


@pytest.mark.slow
@pytest.mark.parametrize("family", [name for name in FAMILIES if name != "network, fitted weights"])
def test_ctrl_c_at_every_line_leaves_one_whole_fit(family):
    interrupt_at_lines(family, every_line)


@pytest.mark.parametrize("family", ["network", "FedAvg"])
def test_ctrl_c_in_partial_fit_leaves_one_whole_fit(family):
    fitted = fitted_on_a(family)
    before, estimator = fitted.predict_proba(A), copy.deepcopy(fitted)
    n = len(trace_lines(lambda: estimator.partial_fit(A, y)))
    after = estimator.predict_proba(A)
    assert not np.array_equal(before, after)
    for at in [*range(n - 12, n), *range(0, n - 12, n // 12)]:
        estimator = copy.deepcopy(fitted)
        trace_lines(lambda estimator=estimator: estimator.partial_fit(A, y), (at,))
        found = estimator.predict_proba(A)
        assert np.array_equal(found, before) or np.array_equal(found, after), at


def test_ctrl_c_leaves_a_transformer_whole():
    def fitted():
        return ModalityTransformer({}, remainder=StandardScaler()).fit(A)

    n = len(trace_lines(lambda: ModalityTransformer({}, remainder=StandardScaler()).fit(B)))
    for at in range(n):
        step = fitted()
        trace_lines(lambda step=step: step.fit(B), (at,))
        assert step.modality_names_ in (["a", "b"], ["c", "d"])
        names = "ab" if step.modality_names_ == ["a", "b"] else "cd"
        assert sorted(step.transform(A if names == "ab" else B)) == list(names)
