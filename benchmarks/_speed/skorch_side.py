"""The network of the timings in skorch as it comes: its loader, its loop, its callbacks."""

from __future__ import annotations

from typing import Any

import torch
from skorch import NeuralNetClassifier
from torch import nn

from .timing import SIZES, make_encoders


class Network(nn.Module):
    """Encoders, a layer on all embeddings, and a head for each; modalities are side by side."""

    def __init__(self, n_classes: int):
        super().__init__()
        self.encoders = make_encoders()
        self.out = nn.Linear(64 * len(SIZES), n_classes)
        self.heads = nn.ModuleList(nn.Linear(64, n_classes) for _ in SIZES)

    def forward(self, X: Any) -> tuple[torch.Tensor, ...]:
        parts = X.split(list(SIZES.values()), dim=1)
        us = [encoder(x) for encoder, x in zip(self.encoders, parts, strict=True)]
        own = [head(u) for head, u in zip(self.heads, us, strict=True)]
        return self.out(torch.cat(us, dim=1)), *own


class SkorchNet(NeuralNetClassifier):
    """skorch's classifier, with a loss per modality added: what every user of it has to write."""

    def __init__(self, *args: Any, unimodal_weight: float = 1.0, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.unimodal_weight = unimodal_weight

    def get_loss(self, y_pred: Any, y_true: Any, *args: Any, **kwargs: Any) -> Any:
        fused, *own = (self.criterion_(logits, y_true) for logits in y_pred)
        return fused + self.unimodal_weight * sum(own)


def make_skorch(n_classes: int, batch_size: int, n_epochs: int, **params: Any) -> SkorchNet:
    """A net that does what the estimators of the timings do."""
    settings = {
        "criterion": nn.CrossEntropyLoss,
        "optimizer": torch.optim.AdamW,
        "lr": 1e-3,
        "batch_size": batch_size,
        "max_epochs": n_epochs,
        "train_split": None,
        "iterator_train__shuffle": True,
        "verbose": 0,
    }
    return SkorchNet(Network, module__n_classes=n_classes, **(settings | params))
