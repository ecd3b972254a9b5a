"""Weights in a safetensors file: tensors and JSON, no code."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from sklearn.utils.validation import check_is_fitted

from ..modalities import CheckedModalities
from ..modalities._checked import InputSpec
from ..networks import choose_device
from .fitted_fusion import FittedFusion

_FORMAT = "sk_mmbalance weights 1"


def save_weights(estimator: Any, file: Any) -> None:
    """Write a fitted estimator's weights, classes and input specification."""
    check_is_fitted(estimator)
    module = estimator.net_._module()
    classes = estimator.classes_
    spec = estimator._input_spec
    about = {
        "class": type(estimator).__name__,
        "dtype": str(next(module.parameters()).dtype).removeprefix("torch."),
        "classes": classes.tolist(),
        "classes_dtype": classes.dtype.str if classes.dtype != object else "object",
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
    classes = np.asarray(about["classes"], dtype=about["classes_dtype"])
    net = _rebuild(estimator, spec, len(classes), getattr(torch, about["dtype"]), tensors)
    nothing = CheckedModalities({}, np.ones((0, len(spec.shapes)), dtype=bool), spec)
    for row in about["history"]:  # epochs are counted on from there
        net.history.new_epoch()
        net.history[-1].update(row)
    fusion = about.get("fusion")
    fusion = None if fusion is None else FittedFusion.from_plain(fusion)
    estimator._remember(nothing, classes, net, seed=0, fusion=fusion)
    return estimator


def _rebuild(
    estimator: Any,
    spec: InputSpec,
    n_classes: int,
    dtype: torch.dtype,
    tensors: dict[str, torch.Tensor],
) -> Any:
    from ._training import TrainingPlan, choose_batch_size

    module = estimator._make_module(spec.shapes, n_classes, dtype)
    try:
        module.load_state_dict(tensors)
    except RuntimeError as error:
        raise ValueError(
            "`file` does not fit the network that this estimator's parameters describe: use the "
            f"parameters it was trained with ({error})."
        ) from error
    device = choose_device(estimator.device)
    plan = TrainingPlan(0, 1, choose_batch_size(estimator.batch_size, n_rows=0))
    return estimator._make_net(module, device, plan, validating=False)
