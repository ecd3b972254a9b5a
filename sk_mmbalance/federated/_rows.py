"""A client's rows: some of their modalities, and all of them in batches."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch

from .. import networks

#: Rows at a time where no gradients are kept.
EVALUATE_BATCH = 4096


def restrict(
    rows: networks.ModalityRows, used: list[str], device: torch.device
) -> networks.ModalityRows:
    """Only some modalities, and only rows that have at least one of them, on `device`."""
    present = None
    if rows.present is not None:
        present = {name: rows.present[name] for name in used}
    kept = replace(
        rows, inputs={name: rows.inputs[name] for name in used}, present=present, resident=True
    )
    if present is not None:
        some = torch.stack(list(present.values())).any(dim=0)
        if not bool(some.all()):
            kept = kept.take(torch.nonzero(some)[:, 0])
        if kept.present is not None and all(bool(p.all()) for p in kept.present.values()):
            kept = replace(kept, present=None)
    return _to(kept, device)


def _to(rows: networks.ModalityRows, device: torch.device) -> networks.ModalityRows:
    if device.type == "cpu":
        return rows
    return replace(
        rows,
        inputs={name: x.to(device) for name, x in rows.inputs.items()},
        codes=rows.codes.to(device),
        present=None
        if rows.present is None
        else {name: p.to(device) for name, p in rows.present.items()},
        weight=None if rows.weight is None else rows.weight.to(device),
    )


def total_weight(rows: networks.ModalityRows) -> float:
    """Sum of the weights of the rows: n_k."""
    return float(len(rows)) if rows.weight is None else float(rows.weight.double().sum())


def in_batches(rows: networks.ModalityRows) -> Iterator[networks.Batch]:
    """All rows in their order, in large batches."""
    for start in range(0, len(rows), EVALUATE_BATCH):
        yield rows[start : start + EVALUATE_BATCH]
