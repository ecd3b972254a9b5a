"""No weights and no answers that are NaN or infinite."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..exceptions import DivergenceError
from ..modalities import CheckedModalities
from ..networks import ModalityRows, to_device


def refuse_weights_not_finite(net: Any) -> None:
    """Raise if a training ended with weights that are NaN or infinite.

    The loss of an epoch is that before its last step: what that step does shows in the weights
    alone. Buffers are looked at where torch's own layers keep statistics in them; a module of the
    user's may keep an infinite mask.

    Raises
    ------
    DivergenceError
        Naming the first of them.
    """
    for name, values in _learnt(net.network):
        if not torch.isfinite(values).all():
            raise DivergenceError(
                f"The weights {name!r} became NaN or infinite in epoch {len(net.history)}. Scale "
                f"the modalities (ModalityTransformer with StandardScaler), or lower `lr` (now "
                f"{net.lr:g})."
            )


def _learnt(network: nn.Module) -> Iterator[tuple[str, Tensor]]:
    yield from network.named_parameters()
    for path, part in network.named_modules():
        if type(part).__module__.startswith("torch.nn."):
            for name, values in part.named_buffers(path, recurse=False):
                if values.is_floating_point():
                    yield name, values


def refuse_diverged(net: Any, rows: ModalityRows) -> None:
    """Raise if a trained network gives NaN or infinite values for rows it was trained on.

    Weights may be finite, and so large that nothing can be computed with them.

    Raises
    ------
    DivergenceError
        If so.
    """
    batch = to_device(rows[slice(0, net.batch_size)], torch.device(net.device))
    logits = net.evaluate(batch, unimodal=False).logits
    if not torch.isfinite(logits).all():
        raise DivergenceError(
            f"The network gives NaN or infinite values for {len(logits)} rows of `X` after epoch "
            f"{len(net.history)}. Scale the modalities (ModalityTransformer with StandardScaler), "
            f"or lower `lr` (now {net.lr:g})."
        )


def refuse_outputs_not_finite(
    outputs: Tensor, checked: CheckedModalities, name: str | None = None
) -> None:
    """Raise if a network gave NaN or infinite values for rows that have what it looks at.

    Parameters
    ----------
    outputs : Tensor of shape (n_samples, n_outputs)
        What it gave.
    checked : CheckedModalities
        The rows.
    name : str, default=None
        The modality that it was given; None is all of them.

    Raises
    ------
    ValueError
        With the first such row, and the largest value of the modalities in it.
    """
    if math.isfinite(outputs.sum()) or torch.isfinite(outputs).all():  # the sum is quicker
        return
    odd = ~torch.isfinite(outputs).flatten(1).all(dim=1).numpy()
    names = list(checked.names) if name is None else [name]
    if name is not None:
        odd &= checked.present_in(name)
    rows = np.flatnonzero(odd)
    if not len(rows):
        return
    row = int(rows[0])
    sizes = {
        m: float(abs(checked.arrays[m][row]).max())
        for m in names
        if checked.present_in(m)[row] and checked.arrays[m][row].size
    }
    largest = max(sizes, key=lambda m: sizes[m])
    raise ValueError(
        f"`X` gives no finite prediction in {len(rows)} row(s), the first is row {row}: modality "
        f"{largest!r} has values up to {sizes[largest]:.2g} there. Scale the modalities "
        "(ModalityTransformer with StandardScaler), before `fit` and before `predict`."
    )
