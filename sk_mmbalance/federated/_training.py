"""Local training: a plain loop over batches that are slices of tensors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from .. import networks
from ._local import Local
from ._method import Method


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
    batches = networks.RowBatches(rows, method.batch_size, local.device, seed=int(config["seed"]))
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
    batches: networks.RowBatches, rows: networks.ModalityRows, extras: dict[str, Tensor]
) -> Iterator[tuple[networks.Batch, dict[str, Tensor]]]:
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
