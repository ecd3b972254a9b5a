"""From a fitted estimator to what a file of weights holds, and back."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from ..base import CLASSES, LABELS, NUMBERS, ClassTarget, LabelTarget, NumberTarget, Target
from ..modalities import InputSpec
from ..networks import (
    AllocationGuard,
    Draws,
    choose_device,
    empty_encodings,
    learning,
    load_state,
)
from ._fitted_fusion import FittedFusion
from ._training import TrainingPlan, choose_batch_size
from ._weights_file import damaged, read_weights, unpack, write_weights

_DTYPES = ("float32", "float64")


def save_weights(estimator: Any, file: Any) -> None:
    """Write a fitted estimator's weights, classes and input specification."""
    write_weights(file, *weights_of(estimator))


def load_weights(estimator: Any, file: Any) -> Any:
    """Make `estimator` what it was when its weights were written."""
    about, tensors, n_bytes = read_weights(file)
    return _take(estimator, about, tensors, n_bytes, str(file))


def load_packed(estimator: Any, data: bytes, source: str) -> Any:
    """Make `estimator` what it was, from the bytes of such a file."""
    return _take(estimator, *unpack(data, source), len(data), source)


def weights_of(estimator: Any) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """What a file has to say, and the tensors."""
    check_is_fitted(estimator)
    module = estimator.net_.network
    spec = estimator._input_spec
    fusion = estimator._fitted_fusion
    tensors = module.state_dict()
    odd = [key for key, value in tensors.items() if not torch.isfinite(value).all()]
    weights = {key for key, _ in module.named_parameters()}
    if not weights.isdisjoint(odd):
        raise ValueError(
            f"`save_weights` cannot write {odd}: they have NaN or infinite values. Fit anew."
        )
    about = {
        "class": type(estimator).__name__,
        "seed": estimator._seed,
        "dtype": str(next(module.parameters()).dtype).removeprefix("torch."),
        "target": _plain(estimator._target),
        "scale": getattr(estimator.net_.criterion_, "scale", 1.0),
        "encoded": list(module.encodings),
        "shapes": {name: list(shape) for name, shape in spec.shapes.items()},
        "n_features_in": spec.n_features_in,
        "feature_names_in": None
        if spec.feature_names_in is None
        else [str(name) for name in spec.feature_names_in],
        "columns": None
        if spec.columns is None
        else {name: numbers.tolist() for name, numbers in spec.columns.items()},
        "feature_names": {name: list(names) for name, names in spec.feature_names.items()},
        "sequences": list(spec.sequences),
        "fusion": None if fusion is None else fusion.to_plain(),
        "history": [
            {key: value for key, value in row.items() if key != "batches"}
            for row in estimator.net_.history
        ],
        "not_finite": odd,  # a mask in a module of the user's, say
    }
    return about, tensors


def _take(
    estimator: Any, about: dict[str, Any], tensors: dict[str, Tensor], n_bytes: int, source: str
) -> Any:
    if about.get("class") != type(estimator).__name__:
        raise ValueError(
            f"`file` {source!r} holds weights of {about.get('class')}, not of "
            f"{type(estimator).__name__}."
        )
    try:
        spec, target, fusion = _read_page(about, n_bytes)
    except Exception as error:  # whatever is missing in a page that was tampered with
        raise damaged(source, error) from error
    _refuse_another_input(estimator, spec, target, source)
    net = _rebuild(estimator, spec, target, about, tensors, n_bytes, source)
    for row in about["history"]:  # epochs are counted on from there
        net.history.new_epoch()
        net.history[-1].update(row)
    # what was held out before is held out again, should training go on
    estimator._remember(spec, target, net, seed=about["seed"], fusion=fusion)
    return estimator


def _rebuild(
    estimator: Any,
    spec: InputSpec,
    target: Target,
    about: dict[str, Any],
    tensors: dict[str, Tensor],
    n_bytes: int,
    source: str,
) -> Any:
    dtype = getattr(torch, about["dtype"])
    # weights are drawn, and overwritten
    with learning(), Draws(0).of_everything(), AllocationGuard(n_bytes) as guard:
        try:
            module = estimator._make_module(spec, target.n_outputs, dtype)
            sizes = {name: spec.shapes[name][0] for name in about.get("encoded", ())}
            module.encodings = empty_encodings(sizes).to(dtype)
        except MemoryError as error:
            if not guard.refused:
                raise
            raise damaged(source, error) from error
    try:
        load_state(module, tensors)
    except RuntimeError as error:
        raise ValueError(
            f"`file` does not fit the network that this estimator's parameters describe: use the "
            f"parameters it was trained with (file {source!r}; {error})."
        ) from error
    device = choose_device(estimator.device)
    plan = TrainingPlan(about["seed"], 1, choose_batch_size(estimator.batch_size, n_rows=0))
    criterion = estimator._criterion(target, about["scale"])
    net = estimator._make_net(module, device, plan, validating=False, criterion=criterion)
    net.n_classes = target.n_outputs if target.kind == CLASSES else None
    return net


# -- the page, read with suspicion ---------------------------------------------------------


def _read_page(
    about: Mapping[str, Any], n_bytes: int
) -> tuple[InputSpec, Target, FittedFusion | None]:
    _expect(about["dtype"] in _DTYPES, f"precision {about['dtype']!r}")
    _expect(_is_int(about["seed"]) and 0 <= about["seed"] < 2**63, f"seed {about['seed']!r}")
    scale = about["scale"]
    _expect(_is_number(scale) and 0 < scale < math.inf, f"scale {scale!r}")
    history = about["history"]
    _expect(
        isinstance(history, list) and all(isinstance(row, dict) for row in history),
        "a history that is no list of epochs",
    )
    spec = _read_spec(about)
    encoded = about.get("encoded", [])
    columns = [name for name, shape in spec.shapes.items() if len(shape) == 1]
    _expect(set(encoded) <= set(columns), f"encoded modalities {encoded}")
    target = _read_target(about["target"], n_bytes)
    plain = about["fusion"]
    fusion = None if plain is None else FittedFusion.from_plain(plain)
    if fusion is not None:
        _expect(fusion.names == spec.names, f"fusion weights of {fusion.names}")
        n_experts = len(fusion.names) + bool(fusion.with_fused)
        tables = [fusion.default, *fusion.weights.values()]
        _expect(
            all(w.shape == (n_experts,) and np.isfinite(w).all() for w in tables)
            and all(len(pattern) == len(fusion.names) for pattern in fusion.weights)
            and fusion.own.shape == (len(fusion.names),),
            "fusion weights of another form",
        )
    return spec, target, fusion


def _read_spec(about: Mapping[str, Any]) -> InputSpec:
    shapes = {name: tuple(shape) for name, shape in about["shapes"].items()}
    _expect(bool(shapes) and list(shapes) == sorted(shapes), f"modalities {list(shapes)}")
    for name, shape in shapes.items():
        _expect(all(_is_int(n) and n >= 0 for n in shape), f"shape {shape} of {name!r}")
    n_features = about["n_features_in"]
    _expect(_is_int(n_features) and n_features >= 0, f"{n_features!r} features")
    names, columns = about["feature_names_in"], about["columns"]
    _expect(names is None or len(names) == n_features, "names of other columns")
    if columns is not None:
        columns = {name: np.asarray(numbers, dtype=np.intp) for name, numbers in columns.items()}
        _expect(list(columns) == list(shapes), f"columns of {list(columns)}")
        for name, numbers in columns.items():
            within = len(numbers) == math.prod(shapes[name]) and (numbers >= 0).all()
            _expect(within and (numbers < n_features).all(), f"column numbers of {name!r}")
    features = {name: tuple(names) for name, names in about["feature_names"].items()}
    for name, given in features.items():
        one_kind = len({type(label) for label in given}) == 1 and isinstance(given[0], int | str)
        _expect(name in shapes and one_kind, f"names of the columns of {name!r}")
    sequences = tuple(about.get("sequences", ()))
    _expect(set(sequences) <= set(shapes), f"sequences {sequences}")
    named = None if names is None else np.asarray([str(name) for name in names], dtype=object)
    return InputSpec(shapes, n_features, named, columns, features, sequences)


def _plain(target: Target) -> dict[str, Any]:
    """What a target is, in lists and numbers, as JSON has them."""
    if isinstance(target, ClassTarget):
        values = target.classes
        dtype = values.dtype.str if values.dtype != object else "object"
        return {"kind": target.kind, "classes": values.tolist(), "dtype": dtype}
    if isinstance(target, LabelTarget):
        dtype = np.dtype(target.dtype).str
        return {"kind": target.kind, "n_labels": target.n_labels, "dtype": dtype}
    assert isinstance(target, NumberTarget)
    return {
        "kind": target.kind,
        "n_columns": target.n_columns,
        "one_dimensional": target.one_dimensional,
        "centre": np.asarray(target.centre).tolist(),
        "spread": np.asarray(target.spread).tolist(),
    }


def _read_target(plain: Mapping[str, Any], n_bytes: int) -> Target:
    """The target that `_plain` wrote."""
    kind = plain["kind"]
    if kind == CLASSES:
        given, dtype = plain["classes"], np.dtype(plain["dtype"])
        _expect(isinstance(given, list) and len(given) > 1, f"classes {given!r}")
        most = 64 * n_bytes  # text of fixed width: its longest label is in the file
        _expect(dtype.kind in "biufUO" and dtype.itemsize * len(given) < most, f"type {dtype}")
        classes = np.asarray(given, dtype=dtype)
        _expect(classes.ndim == 1 and list(classes) == sorted(set(classes)), f"classes {given!r}")
        return ClassTarget(classes)
    if kind == LABELS:
        dtype = np.dtype(plain["dtype"])
        _expect(dtype.kind in "biuf" and _is_count(plain["n_labels"], n_bytes), "other labels")
        return LabelTarget(plain["n_labels"], dtype)
    _expect(kind == NUMBERS, f"a target of {kind!r}")
    n_columns, one = plain["n_columns"], plain["one_dimensional"]
    _expect(_is_count(n_columns, n_bytes) and isinstance(one, bool), "other columns")
    centre, spread = (np.asarray(plain[key], dtype=np.float64) for key in ("centre", "spread"))
    for values in (centre, spread):
        _expect(values.shape == (n_columns,) and np.isfinite(values).all(), "another scale")
    return NumberTarget(n_columns, one, centre, spread)


def _expect(right: Any, what: str) -> None:
    if not right:
        raise ValueError(f"its header has {what}")


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_count(value: Any, n_bytes: int) -> bool:
    return _is_int(value) and 1 <= value <= n_bytes


def _refuse_another_input(estimator: Any, spec: InputSpec, target: Target, source: str) -> None:
    """Refuse to replace what was learnt from other modalities, or of another target."""
    if not hasattr(estimator, "net_"):
        return
    known = estimator._input_spec
    if known.shapes != spec.shapes:
        raise ValueError(
            f"`file` {source!r} holds weights for modalities of shapes {dict(spec.shapes)}, but "
            f"this estimator was fitted on {dict(known.shapes)}. Load them into an unfitted one "
            "(sklearn.base.clone)."
        )
    before, now = (
        {key: plain.get(key) for key in ("kind", "classes", "n_labels", "n_columns")}
        for plain in (_plain(estimator._target), _plain(target))
    )
    if before != now:
        raise ValueError(
            f"`file` {source!r} holds weights for {_said(now)}, but this estimator was fitted on "
            f"{_said(before)}. Load them into an unfitted one (sklearn.base.clone)."
        )


def _said(target: dict[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in target.items() if value is not None)
