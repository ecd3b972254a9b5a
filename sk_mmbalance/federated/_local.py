"""Local training and measuring: plain loops over batches that are slices of tensors."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from ..neural import parts
from ._messages import Memory, Order

if TYPE_CHECKING:
    from ._method import Method

_EVALUATE_BATCH = 4096  # no gradients are kept


@dataclass
class Local:
    """One client's work on one order, as the hooks of a method see it.

    Attributes
    ----------
    module : Module
        The network, loaded with the global state.
    rows : ModalityRows
        Rows that have at least one of the modalities in use, and these modalities only.
    used, held : list of str
        Modalities in use, and all that the client has.
    whole : ModalityRows
        All rows with all modalities.
    order : Order
        What the server asked.
    memory : dict of str to dict of str to ndarray
        What the client keeps; a method replaces groups, it does not write into arrays.
    device : torch.device
        Where `module` is.
    classes : int
        Number of classes.
    notes : dict
        For a method's own use between its hooks.
    """

    module: nn.Module
    rows: parts.ModalityRows
    whole: parts.ModalityRows
    used: list[str]
    held: list[str]
    order: Order
    memory: Memory
    device: torch.device
    classes: int
    notes: dict[str, Any] = field(default_factory=dict)

    @property
    def n(self) -> float:
        """Weight of the rows in use."""
        weight = self.rows.weight
        return float(len(self.rows)) if weight is None else float(weight.double().sum())


def restrict(rows: parts.ModalityRows, used: list[str], device: torch.device) -> parts.ModalityRows:
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


def _to(rows: parts.ModalityRows, device: torch.device) -> parts.ModalityRows:
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


def train(method: Method, local: Local) -> float:
    """Run the local epochs; return the mean loss of the last one."""
    extras = method.prepare(local)
    module, rows = local.module, local.rows
    module.train()
    if len(rows) == 1:
        _freeze_batch_statistics(module)
    config: Any = local.order.config
    optimizer = method.make_optimizer(module, float(config["lr"]))
    anchors = [(w, w.detach().clone()) for w in module.parameters()] if method.prox_mu else []
    batches = parts.RowBatches(rows, method.batch_size, local.device, seed=int(config["seed"]))
    mean = float("nan")
    for epoch in range(int(config["epochs"])):
        batches.epoch = epoch
        losses, sizes = [], []
        for batch, own in _shuffled(batches, rows, extras):
            optimizer.zero_grad(set_to_none=True)
            loss = method.loss(local, batch, own)
            loss.backward()
            for weight, anchor in anchors:  # FedProx: mu (w - w_global), where there is a gradient
                if weight.grad is not None:
                    weight.grad.add_(weight.detach() - anchor, alpha=method.prox_mu)
            optimizer.step()
            losses.append(loss.detach() * len(batch[1]))
            sizes.append(len(batch[1]))
        mean = float(torch.stack(losses).sum()) / sum(sizes)
    return mean


def _shuffled(
    batches: parts.RowBatches, rows: parts.ModalityRows, extras: dict[str, Tensor]
) -> Iterator[tuple[parts.Batch, dict[str, Tensor]]]:
    """Batches of an epoch, with the same rows of further tensors."""
    order = batches.order()
    assert order is not None  # local training always shuffles
    order = order.to(batches.device)
    mixed = rows.take(order)
    others = {key: value[order] for key, value in extras.items()}
    for start, stop in batches.bounds(len(rows)):
        yield mixed[start:stop], {key: value[start:stop] for key, value in others.items()}


def _freeze_batch_statistics(module: nn.Module) -> None:
    """A client with a single row has no batch statistics: use the global ones."""
    for part in module.modules():
        if isinstance(part, nn.modules.batchnorm._BatchNorm):
            part.eval()


def in_batches(rows: parts.ModalityRows) -> Iterator[parts.Batch]:
    """All rows in their order, in large batches."""
    for start in range(0, len(rows), _EVALUATE_BATCH):
        yield rows[start : start + _EVALUATE_BATCH]


@torch.no_grad()
def correct_rows(
    module: nn.Module, rows: parts.ModalityRows, device: torch.device
) -> tuple[tuple[float, float], dict[str, tuple[float, float]]]:
    """Weight of the rows that are classified rightly, and of all rows: fused, and by modality."""
    module.eval()
    names = list(rows.inputs)
    counts = torch.zeros(len(names) + 1, 2, dtype=torch.float64)
    for X, codes in in_batches(rows):
        output = module(X["inputs"], X.get("present"))
        weight = X.get("weight")
        weight = torch.ones(len(codes), device=device) if weight is None else weight
        counts[-1] += _count(output.logits, codes, weight)
        for number, name in enumerate(names):
            own = weight
            if "present" in X:
                own = torch.where(X["present"][name], weight, torch.zeros_like(weight))
            counts[number] += _count(output.unimodal[name], codes, own)
    pairs = [(right, total) for right, total in counts.tolist()]
    return pairs[-1], dict(zip(names, pairs[:-1], strict=True))


def _count(logits: Tensor, codes: Tensor, weight: Tensor) -> Tensor:
    right = logits.argmax(dim=1) == codes
    return torch.stack([weight[right].double().sum(), weight.double().sum()]).cpu()
