"""Weights in a safetensors file: tensors and JSON, no code."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from sklearn.utils.validation import check_is_fitted

from ..base import CLASSES, LABELS, ClassTarget, LabelTarget, NumberTarget, Target
from ..modalities import InputSpec
from ..networks import choose_device, empty_encodings
from ._fitted_fusion import FittedFusion
from ._training import TrainingPlan, choose_batch_size

_FORMAT = "sk_mmbalance weights 2"


def save_weights(estimator: Any, file: Any) -> None:
    """Write a fitted estimator's weights, classes and input specification."""
    check_is_fitted(estimator)
    module = estimator.net_.network
    spec = estimator._input_spec
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
        "fusion": None if estimator._fitted_fusion is None else estimator._fitted_fusion.to_plain(),
        "history": [
            {key: value for key, value in row.items() if key != "batches"}
            for row in estimator.net_.history
        ],
    }
    tensors = {key: value.contiguous().cpu() for key, value in module.state_dict().items()}
    save_file(tensors, file, metadata={"format": _FORMAT, "about": json.dumps(about)})


def load_weights(estimator: Any, file: Any) -> Any:
    """Make `estimator` what it was when its weights were written."""
    with safe_open(file, framework="pt") as archive:
        metadata = archive.metadata() or {}
        if metadata.get("format") != _FORMAT:
            raise ValueError(
                f"`file` {str(file)!r} was not written by save_weights of this package "
                f"(format {metadata.get('format')!r}, expected {_FORMAT!r})."
            )
        about = json.loads(metadata["about"])
        tensors = {key: archive.get_tensor(key) for key in archive.keys()}  # noqa: SIM118
    if about["class"] != type(estimator).__name__:
        raise ValueError(
            f"`file` holds weights of {about['class']}, not of {type(estimator).__name__}."
        )
    columns = about["columns"]
    names = about["feature_names_in"]
    spec = InputSpec(
        {name: tuple(shape) for name, shape in about["shapes"].items()},
        about["n_features_in"],
        None if names is None else np.asarray(names, dtype=object),
        None
        if columns is None
        else {name: np.asarray(numbers, dtype=np.intp) for name, numbers in columns.items()},
        {name: tuple(names) for name, names in about["feature_names"].items()},
    )
    target = _target(about["target"])
    _refuse_another_input(estimator, spec, target)
    net = _rebuild(estimator, spec, target, about, tensors)
    for row in about["history"]:  # epochs are counted on from there
        net.history.new_epoch()
        net.history[-1].update(row)
    fusion = about.get("fusion")
    fusion = None if fusion is None else FittedFusion.from_plain(fusion)
    # what was held out before is held out again, should training go on
    estimator._remember(spec, target, net, seed=about["seed"], fusion=fusion)
    return estimator


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


def _target(plain: dict[str, Any]) -> Target:
    """The target that `_plain` wrote."""
    if plain["kind"] == CLASSES:
        return ClassTarget(np.asarray(plain["classes"], dtype=plain["dtype"]))
    if plain["kind"] == LABELS:
        return LabelTarget(plain["n_labels"], np.dtype(plain["dtype"]))
    centre, spread = (np.asarray(plain[key]) for key in ("centre", "spread"))
    return NumberTarget(plain["n_columns"], plain["one_dimensional"], centre, spread)


def _refuse_another_input(estimator: Any, spec: InputSpec, target: Target) -> None:
    """Refuse to replace what was learnt from other modalities, or of another target."""
    if not hasattr(estimator, "net_"):
        return
    known = estimator._input_spec
    if known.shapes != spec.shapes:
        raise ValueError(
            f"`file` holds weights for modalities of shapes {dict(spec.shapes)}, but this "
            f"estimator was fitted on {dict(known.shapes)}. Load them into an unfitted one "
            "(sklearn.base.clone)."
        )
    before, now = (
        {key: plain.get(key) for key in ("kind", "classes", "n_labels", "n_columns")}
        for plain in (_plain(estimator._target), _plain(target))
    )
    if before != now:
        raise ValueError(
            f"`file` holds weights for {_said(now)}, but this estimator was fitted on "
            f"{_said(before)}. Load them into an unfitted one (sklearn.base.clone)."
        )


def _said(target: dict[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in target.items() if value is not None)


def _rebuild(
    estimator: Any,
    spec: InputSpec,
    target: Target,
    about: dict[str, Any],
    tensors: dict[str, torch.Tensor],
) -> Any:
    dtype = getattr(torch, about["dtype"])
    module = estimator._make_module(spec.shapes, target.n_outputs, dtype)
    sizes = {name: spec.shapes[name][0] for name in about.get("encoded", ())}
    module.encodings = empty_encodings(sizes).to(dtype)
    try:
        module.load_state_dict(tensors)
    except RuntimeError as error:
        raise ValueError(
            "`file` does not fit the network that this estimator's parameters describe: use the "
            f"parameters it was trained with ({error})."
        ) from error
    device = choose_device(estimator.device)
    plan = TrainingPlan(about["seed"], 1, choose_batch_size(estimator.batch_size, n_rows=0))
    criterion = estimator._criterion(target, about["scale"])
    net = estimator._make_net(module, device, plan, validating=False, criterion=criterion)
    net.n_classes = target.n_outputs if target.kind == CLASSES else None
    return net
