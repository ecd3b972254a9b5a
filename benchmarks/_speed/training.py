"""Plain joint training by `MultimodalClassifier` against a hand-written PyTorch loop.

The same network (two modalities of 64 and 32 features, MLP 64-64 each, concatenated), the same
optimiser, rows, batch size and number of epochs. Times are those of the whole training.
"""

from __future__ import annotations

from itertools import product

import torch
from torch import nn

from sk_mmbalance import MultimodalClassifier

from .timing import (
    SIZES,
    Asked,
    as_by_hand,
    as_tensors,
    batches,
    device_name,
    make_data,
    make_encoders,
    make_optimizer,
    ratios,
)


class HandNet(nn.Module):
    def __init__(self, n_classes: int):
        super().__init__()
        self.encoders = make_encoders()
        self.out = nn.Linear(64 * len(SIZES), n_classes)

    def forward(self, xs):
        pairs = zip(self.encoders, xs, strict=True)
        return self.out(torch.cat([encoder(x) for encoder, x in pairs], dim=1))


def by_hand(X, y, n_classes, batch_size, n_epochs, device, how) -> None:
    xs, target = as_tensors(X, y, device)
    net = HandNet(n_classes).to(device)
    optimizer = make_optimizer(net)
    loss_of = nn.CrossEntropyLoss()
    for _ in range(n_epochs):
        total = torch.zeros((), device=device)
        right = torch.zeros((), device=device)
        for batch, codes in batches(xs, target, batch_size, how):
            optimizer.zero_grad(set_to_none=True)
            logits = net(batch)
            loss = loss_of(logits, codes)
            loss.backward()
            optimizer.step()
            total += loss.detach() * len(codes)
            right += (logits.detach().argmax(dim=1) == codes).sum()
        total.item(), right.item()


def by_estimator(X, y, n_classes, batch_size, n_epochs, device) -> None:
    settings = as_by_hand(batch_size, n_epochs, device)
    MultimodalClassifier(unimodal_weight=0.0, **settings).fit(X, y)


def measure(asked: Asked) -> list[dict]:
    rows = []
    sizes = [(20_000, 128, 6), (20_000, 32, 2), (2_000, 128, 30), (2_000, 32, 15)]
    for (n, batch_size, n_epochs), n_classes in product(sizes, (2, 10)):
        if n > asked.most_rows:
            continue
        X, y = make_data(n, n_classes)
        job = (X, y, n_classes, batch_size, n_epochs, asked.device)
        median = asked.medians(
            {
                "hand-written, gather": lambda j=job: by_hand(*j, "gather"),
                "hand-written, slice": lambda j=job: by_hand(*j, "slice"),
                "MultimodalClassifier": lambda j=job: by_estimator(*j),
            }
        )
        for name, ratio in ratios(median).items():
            rows.append(
                {
                    "device": device_name(asked.device),
                    "rows": n,
                    "batch_size": batch_size,
                    "classes": n_classes,
                    "method": name,
                    "seconds": round(median[name], 4),
                    **ratio,
                }
            )
    return rows
