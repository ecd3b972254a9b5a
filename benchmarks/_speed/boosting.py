"""Alternating training by `SustainedBoostingClassifier` against a hand-written loop.

The same network (two modalities of 64 and 32 features, MLP 64-64 each, heads of 64, one output
layer), the same losses, one step of a fused AdamW a modality and batch, the same rows, batches and
epochs; once as published and once with the fused loss of our default. The hand-written loop keeps
what the method needs (each modality's confidence) and what anybody wants to see (fused loss and
accuracy). Times are those of an epoch.
"""

from __future__ import annotations

from itertools import product

import torch
import torch.nn.functional as F
from torch import nn

from sk_mmbalance import SustainedBoostingClassifier

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

N_CLASSES = 10
RESIDUAL_WEIGHT = 0.5


class HandNet(nn.Module):
    def __init__(self, n_heads: int):
        super().__init__()
        self.encoders = make_encoders()
        self.heads = nn.ModuleList(
            nn.ModuleList(nn.Linear(64, 64) for _ in range(n_heads)) for _ in SIZES
        )
        self.out = nn.Linear(64, N_CLASSES)

    def forward(self, number, u):
        return [self.out(F.relu(head(u))) for head in self.heads[number]]

    def grow(self, confidences, max_heads, optimizer):
        """One more head for the modality that is behind by more than a hundredth."""
        weak = confidences.index(min(confidences))
        if max(confidences) > 1.01 * min(confidences) and len(self.heads[weak]) < max_heads:
            self.heads[weak].append(nn.Linear(64, 64).to(self.out.weight.device))
            optimizer.add_param_group({"params": list(self.heads[weak][-1].parameters())})


def boosting_loss(logits, codes):
    """Summed logits of all heads and the loss: one term for one head, three for more."""
    if len(logits) == 1:
        return logits[0], F.cross_entropy(logits[0], codes)
    newest, previous = logits[-1], sum(logits[:-1])
    total = previous + newest
    q = previous.detach().softmax(1).gather(1, codes[:, None])[:, 0]
    residual = (1 - RESIDUAL_WEIGHT * q) * F.cross_entropy(newest, codes, reduction="none")
    loss = F.cross_entropy(total, codes) + F.cross_entropy(previous, codes) + residual.mean()
    return total, loss


def by_hand(X, y, n_heads, fused_weight, batch_size, n_epochs, device, how, max_heads=1) -> None:
    xs, target = as_tensors(X, y, device)
    net = HandNet(n_heads).to(device)
    optimizer = make_optimizer(net)
    for epoch in range(n_epochs):
        figures = torch.zeros(2 + len(xs), device=device)
        for batch, codes in batches(xs, target, batch_size, how):
            totals = [None] * len(batch)
            if fused_weight:  # the others' logits are needed from the first step on
                us = [encoder(x) for encoder, x in zip(net.encoders, batch, strict=True)]
                with torch.no_grad():
                    totals = [sum(net(number, u)) for number, u in enumerate(us)]
            for number, x in enumerate(batch):
                optimizer.zero_grad(set_to_none=True)
                u = us[number] if fused_weight else net.encoders[number](x)
                total, loss = boosting_loss(net(number, u), codes)
                if fused_weight:
                    others = [z for other, z in enumerate(totals) if other != number]
                    fused = sum(others, start=total) / len(totals)
                    loss = loss + fused_weight * F.cross_entropy(fused, codes)
                loss.backward()
                optimizer.step()
                totals[number] = total.detach()
                confidence = totals[number].softmax(1).gather(1, codes[:, None])
                figures[2 + number] += confidence.sum()
            fused = sum(totals) / len(totals)
            figures[0] += F.cross_entropy(fused, codes) * len(codes)
            figures[1] += (fused.argmax(dim=1) == codes).sum()
        _, _, *confidences = figures.tolist()
        if epoch + 1 < n_epochs:
            net.grow(confidences, max_heads, optimizer)


def by_estimator(X, y, n_heads, fused_weight, batch_size, n_epochs, device) -> None:
    SustainedBoostingClassifier(
        n_heads_init=n_heads,
        max_heads=1,
        residual_weight=RESIDUAL_WEIGHT,
        fused_weight=fused_weight,
        **as_by_hand(batch_size, n_epochs, device),
    ).fit(X, y)


def measure(asked: Asked) -> list[dict]:
    rows = []
    default = SustainedBoostingClassifier().fused_weight
    sizes = [
        size
        for size in [(10_000, 128, 4), (2_000, 128, 10), (2_000, 64, 10)]
        if size[0] <= asked.most_rows
    ]
    for (n, batch_size, n_epochs), n_heads, fused_weight in product(sizes, (1, 3), (0.0, default)):
        X, y = make_data(n, N_CLASSES)
        job = (X, y, n_heads, fused_weight, batch_size, n_epochs, asked.device)
        median = asked.medians(
            {
                "hand-written, gather": lambda j=job: by_hand(*j, "gather"),
                "hand-written, slice": lambda j=job: by_hand(*j, "slice"),
                "SustainedBoostingClassifier": lambda j=job: by_estimator(*j),
            }
        )
        for name, ratio in ratios(median).items():
            rows.append(
                {
                    "device": device_name(asked.device),
                    "rows": n,
                    "batch_size": batch_size,
                    "heads": n_heads,
                    "fused_weight": fused_weight,
                    "method": name,
                    "seconds": round(median[name] / n_epochs, 4),
                    **ratio,
                }
            )
    return rows
