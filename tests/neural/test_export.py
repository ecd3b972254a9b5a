"""Exported programs predict what the estimator predicts, in any number of rows."""

import importlib.util

import numpy as np
import pytest
import torch
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from sk_mmbalance import (
    ModalityTransformer,
    MultimodalClassifier,
    MultimodalRegressor,
    SustainedBoostingClassifier,
)
from sk_mmbalance.exceptions import MissingDependencyError

from .conftest import blobs, with_missing

SMALL = {"hidden_layer_sizes": (6,), "embedding_dim": 4, "max_epochs": 2, "random_state": 0}
SHAPES = {"picture": (1, 8, 8), "sound": (5, 3), "table": (4,)}

FITS = {
    "plain": (MultimodalClassifier(**SMALL), {}),
    "images, sequences": (MultimodalClassifier(**SMALL), SHAPES),
    "late": (MultimodalClassifier(**SMALL, fusion="late"), {}),
    "gated": (MultimodalClassifier(**SMALL, fusion="gated"), {}),
    "film": (MultimodalClassifier(**SMALL, fusion="film"), {}),
    "transformer": (MultimodalClassifier(**SMALL, fusion="transformer"), {}),
    "fitted weights": (MultimodalClassifier(**SMALL, fusion_weights="fit", cv=2), {}),
    "boosting": (SustainedBoostingClassifier(**SMALL, head_width=4, max_heads=2), {}),
    "encoded": (MultimodalClassifier(**SMALL, encoding="normal_scores"), {}),
    "numbers": (MultimodalRegressor(**SMALL), {}),
}


def program_of(estimator, path, **how):
    estimator.export(path, **how)
    return torch.export.load(path).module()


def tensors(X, dtype=None):
    return {name: torch.as_tensor(np.asarray(X[name]), dtype=dtype) for name in X}


def answer(estimator, X):
    if isinstance(estimator, MultimodalRegressor):
        return estimator.predict(X)[:, None]
    return estimator.predict_proba(X)


CASES = [(name, "error") for name in FITS]
CASES += [(name, "mask") for name in ("plain", "transformer", "fitted weights")]


@pytest.mark.parametrize(("name", "missing"), CASES)
def test_the_program_predicts_what_the_estimator_predicts(name, missing, tmp_path):
    estimator, shapes = FITS[name]
    X, y = blobs(n=60, dims=shapes)
    present = []
    if missing == "mask":
        X, here = with_missing(X)
        present = [{name: torch.as_tensor(here[:, i]) for i, name in enumerate(X)}]
    fitted = estimator.set_params(missing=missing).fit(X, y)
    program = program_of(fitted, tmp_path / "program.pt2")
    for rows in (slice(None), slice(0, 1), slice(5, 12)):
        some = [{name: p[rows] for name, p in part.items()} for part in present]
        found = program(tensors(X[rows]), *some)
        np.testing.assert_allclose(found.detach(), answer(fitted, X[rows]), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_scaler_in_front_takes_values_as_they_are_measured(dtype, tmp_path):
    raw, y = blobs(n=60)
    raw = type(raw)({name: (100 * raw[name] + 7).astype(dtype) for name in raw})
    scaler = ModalityTransformer({name: StandardScaler() for name in raw}).fit(raw)
    clf = MultimodalClassifier(**SMALL).fit(scaler.transform(raw), y)
    expected = clf.predict_proba(scaler.transform(raw))
    found = program_of(clf, tmp_path / "p", scaler=scaler)(tensors(raw, torch.float64))
    np.testing.assert_allclose(found.detach(), expected, rtol=1e-4, atol=1e-6)
    pairs = {name: (t.mean_, t.scale_) for name, t in scaler.transformers_.items()}
    again = program_of(clf, tmp_path / "q", scaler=pairs)(tensors(raw, torch.float64))
    assert torch.equal(found, again)


def test_other_scalers_are_refused_by_name(tmp_path):
    X, y = blobs(n=60)
    clf = MultimodalClassifier(**SMALL).fit(X, y)
    other = ModalityTransformer({name: MinMaxScaler() for name in X}).fit(X)
    with pytest.raises(TypeError, match=r"`scaler` .* MinMaxScaler\(\) for modality 'face'"):
        clf.export(tmp_path / "p", scaler=other)
    with pytest.raises(ValueError, match=r"`scaler` .* names \['smell'\]"):
        clf.export(tmp_path / "p", scaler={"smell": (0, 1)})
    assert not list(tmp_path.iterdir())


def test_onnx_predicts_the_same_or_names_what_is_missing(tmp_path):
    X, y = blobs(n=60, dtype=np.float32)
    clf = MultimodalClassifier(**SMALL).fit(X, y)
    try:
        import onnx.reference
        import onnxscript  # noqa: F401
    except ImportError:
        with pytest.raises(MissingDependencyError, match="extra 'export'"):
            clf.export(tmp_path / "network.onnx")
        return
    clf.export(tmp_path / "network.onnx")
    model = onnx.load(tmp_path / "network.onnx")
    names = [given.name for given in model.graph.input]
    rows = dict(zip(names, (X[name] for name in X), strict=True))
    (found,) = onnx.reference.ReferenceEvaluator(model).run(None, rows)
    np.testing.assert_allclose(found, clf.predict_proba(X), rtol=1e-4, atol=1e-6)


@pytest.mark.slow  # another of the exports, each a second
def test_a_modality_that_is_passed_through_is_not_scaled(tmp_path):
    X, y = blobs(n=60)
    scaler = ModalityTransformer({"face": StandardScaler()}, remainder="passthrough").fit(X)
    clf = MultimodalClassifier(**SMALL).fit(scaler.transform(X), y)
    found = program_of(clf, tmp_path / "p", scaler=scaler)(tensors(X, torch.float64))
    expected = clf.predict_proba(scaler.transform(X))
    np.testing.assert_allclose(found.detach(), expected, rtol=1e-4, atol=1e-6)


def test_onnx_names_the_package_that_it_lacks(tmp_path, monkeypatch):
    X, y = blobs(n=60)
    clf = MultimodalClassifier(**SMALL).fit(X, y)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingDependencyError, match=r"onnxscript: install the extra 'export'"):
        clf.export(tmp_path / "p.onnx")
    assert not list(tmp_path.iterdir())
