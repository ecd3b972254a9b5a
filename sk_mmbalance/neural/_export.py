"""A fitted network as a program that runs without this package: torch.export, or ONNX."""

from __future__ import annotations

import copy
import importlib.util
import io
import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn

from ..base import NUMBERS
from ..exceptions import MissingDependencyError
from ..modalities import InputSpec, writing_whole
from ..networks import ByModality, proba
from ._fitted_fusion import FittedFusion

#: Weights by pattern of present modalities become a table of 2 to the number of modalities.
_MOST_MODALITIES = 12


class ExportedNetwork(nn.Module):
    """From the values of the modalities to probabilities or numbers, as `predict_proba` gives them.

    Parameters
    ----------
    estimator : BaseMultimodalEstimator
        Fitted.
    scaling : mapping of str to (mean, scale), default=None
        What is subtracted from the values of a modality, and what they are then divided by.
    """

    def __init__(
        self,
        estimator: Any,
        scaling: Mapping[str, tuple[np.ndarray, np.ndarray]] | None = None,
    ):
        super().__init__()
        self.network = copy.deepcopy(estimator.net_.network).cpu()
        self.target = estimator._target
        fusion = estimator._fitted_fusion
        self.fusion = None if fusion is None else _PatternTable(fusion)
        dtype = next(self.network.parameters()).dtype
        self.scaling = ByModality(
            {name: _Scaling(*pair, dtype=dtype) for name, pair in (scaling or {}).items()}
        )
        if self.target.kind == NUMBERS:
            self.register_buffer("centre", torch.as_tensor(self.target.centre))
            self.register_buffer("spread", torch.as_tensor(self.target.spread))

    def forward(
        self, inputs: dict[str, Tensor], present: dict[str, Tensor] | None = None
    ) -> Tensor:
        """Probabilities (n_samples, n_classes), or numbers (n_samples, n_columns)."""
        inputs = {m: self._read(m, x) for m, x in inputs.items()}
        output = self.network(inputs, present, unimodal=self.fusion is not None)
        logits = output.logits
        if self.fusion is not None:
            logits = self.fusion(output, present)
        if self.target.kind == NUMBERS:
            return logits.double() * self.spread + self.centre
        return proba(self.target, logits)

    def _read(self, name: str, x: Tensor) -> Tensor:
        x = self.scaling[name](x) if name in self.scaling else x
        encodings = self.network.encodings
        return encodings[name](x) if name in encodings else x


class _Scaling(nn.Module):
    mean: Tensor
    scale: Tensor

    def __init__(self, mean: Any, scale: Any, dtype: torch.dtype):
        super().__init__()
        # as transformers do it: in float64, and then in the network's precision
        self.register_buffer("mean", torch.as_tensor(np.asarray(mean, dtype=np.float64)))
        self.register_buffer("scale", torch.as_tensor(np.asarray(scale, dtype=np.float64)))
        self.dtype = dtype

    def forward(self, x: Tensor) -> Tensor:
        return ((x - self.mean) / self.scale).to(self.dtype)


class _PatternTable(nn.Module):
    """Fitted fusion weights, by the number whose binary digits say which modalities are there."""

    table: Tensor

    def __init__(self, fusion: FittedFusion):
        super().__init__()
        self.names, self.with_fused = fusion.names, fusion.with_fused
        patterns = np.arange(2 ** len(self.names))[:, None] >> np.arange(len(self.names)) & 1
        self.register_buffer("table", torch.as_tensor(fusion.by_row(patterns.astype(bool))))

    def forward(self, output: Any, present: dict[str, Tensor] | None) -> Tensor:
        experts = [output.unimodal[name] for name in self.names]
        experts += [output.logits] if self.with_fused else []
        logs = torch.stack([F.log_softmax(z, dim=1) for z in experts], dim=1)
        if present is None:
            weights = self.table[-1].to(logs)[None, :, None]
        else:
            number = sum(present[name].long() * 2**i for i, name in enumerate(self.names))
            weights = self.table[number].to(logs)[:, :, None]
        return torch.where(weights > 0, weights * logs, 0.0).sum(dim=1)


def export(estimator: Any, file: str | os.PathLike, scaler: Any = None) -> None:
    """Write a fitted network as a program; see `BaseMultimodalEstimator.export`."""
    check_is_fitted(estimator)
    to_onnx = Path(os.fspath(file)).suffix == ".onnx"
    if to_onnx and importlib.util.find_spec("onnxscript") is None:
        raise MissingDependencyError(
            "`file` ends in '.onnx', and ONNX needs onnxscript: install the extra 'export'. Or "
            "choose another ending for a program of torch."
        )
    spec = estimator._input_spec
    if estimator._fitted_fusion is not None and len(spec.names) > _MOST_MODALITIES:
        raise ValueError(
            f"`export` can write fitted fusion weights of at most {_MOST_MODALITIES} modalities; "
            f"got {len(spec.names)}. Fit with fusion_weights=None."
        )
    module = ExportedNetwork(estimator, _scaling_of(scaler, spec.shapes)).eval()
    dtype = next(module.network.parameters()).dtype
    given: list[Any] = [
        {
            name: torch.zeros(
                (3, *_example(spec, name)), dtype=torch.float64 if scaler is not None else dtype
            )
            for name in spec.names
        }
    ]
    if estimator.missing == "mask":
        given.append({name: torch.ones(3, dtype=torch.bool) for name in spec.names})
    rows = torch.export.Dim("rows")
    inputs: dict[str, Any] = {name: {0: rows} for name in spec.names}
    for number, name in enumerate(spec.sequences):
        if not _is_unrolled(module.network.backbones[name]):
            inputs[name][1] = torch.export.Dim(f"steps_{number}")
    shapes = (inputs, *({name: {0: rows} for name in part} for part in given[1:]))
    with torch.no_grad(), warnings.catch_warnings():
        # recurrent units of torch keep a list of their weights, and make it anew when traced
        warnings.filterwarnings("ignore", "The tensor attributes? .*_flat_weights", UserWarning)
        program = torch.export.export(module, tuple(given), dynamic_shapes=shapes)
    stream = io.BytesIO()
    if to_onnx:
        with warnings.catch_warnings():  # torch and its converter use what torch gives up
            warnings.filterwarnings("ignore", category=FutureWarning)
            warnings.filterwarnings("ignore", category=DeprecationWarning)
            written: Any = torch.onnx.export(program, dynamo=True, verbose=False)
        stream.write(written.model_proto.SerializeToString())
    else:
        torch.export.save(program, stream)
    with writing_whole(file) as whole:
        whole.write(stream.getvalue())


def _example(spec: InputSpec, name: str) -> tuple[int, ...]:
    """Shape of a row to trace with: torch takes a number of steps of 1 for one that stays."""
    shape = spec.shapes[name]
    return (max(2, shape[0]), *shape[1:]) if name in spec.sequences else shape


def _is_unrolled(backbone: nn.Module) -> bool:
    """Whether a program of it has a fixed number of steps."""
    return any(isinstance(part, nn.RNNBase) for part in backbone.modules())


def _scaling_of(scaler: Any, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Any] | None:
    """Mean and scale of each modality, from a fitted transformer or as they are given."""
    if scaler is None:
        return None
    if isinstance(scaler, Mapping):
        found = dict(scaler)
    else:
        found = {}
        for name, inner in getattr(scaler, "transformers_", {}).items():
            if isinstance(inner, str) and inner == "passthrough":
                continue
            by_step = hasattr(inner, "transformer_")  # a StepTransformer
            inner = inner.transformer_ if by_step else inner
            if not hasattr(inner, "scale_") or not hasattr(inner, "mean_"):
                raise TypeError(
                    "`scaler` must be a fitted ModalityTransformer of StandardScaler (in a "
                    "StepTransformer, for sequences), or a dict of (mean, scale) by modality; it "
                    f"has {inner!r} for modality {name!r}."
                )
            size = int(np.prod(shapes[name][1:] if by_step else shapes[name]))
            mean = np.zeros(size) if inner.mean_ is None else inner.mean_
            found[name] = (mean, np.ones(size) if inner.scale_ is None else inner.scale_)
    unknown = sorted(set(found) - set(shapes))
    if unknown or not found:
        raise ValueError(
            f"`scaler` must be a fitted ModalityTransformer of StandardScaler, or a dict of (mean, "
            f"scale) by modality; it names {unknown or 'no modality'}, of {sorted(shapes)}."
        )
    return found
