"""Negative learning and data remixing against hand-written loops of the same losses.

The same network (two modalities of 64 and 32 features, MLP 64-64 each), one step of a fused AdamW a
batch, the same rows, batches and epochs. The hand-written loops are for two modalities and know
it; they keep fused loss and accuracy.

"remixed epoch" is an epoch of remixing, its pass over all rows included, against a joint epoch of
the same estimator plus one evaluation of all training rows. Times are those of an epoch.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from sk_mmbalance import DataRemixingClassifier, NegativeLearningClassifier

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
)

N_CLASSES = 10
LAMBDA, BOOST, ALPHA, GAMMA = 0.7, 1.0, 0.5, 1.0


class HandNet(nn.Module):
    """Encoders, a head for each, and (for remixing) blocks of a fused layer."""

    def __init__(self, fused: bool):
        super().__init__()
        self.encoders = make_encoders()
        self.heads = nn.ModuleList(nn.Linear(64, N_CLASSES) for _ in SIZES)
        if fused:
            self.blocks = nn.ModuleList(nn.Linear(64, N_CLASSES, bias=False) for _ in SIZES)
            self.bias = nn.Parameter(torch.zeros(N_CLASSES))


def guidance(a, b, codes, j):
    """What modality a teaches b: no gradient reaches a."""
    at = codes[:, None]
    log_q = F.log_softmax(b, dim=1)
    with torch.no_grad():
        log_p = F.log_softmax(a, dim=1)
        xi_a, xi_b = ((z.gather(1, at) - z.gather(1, j))[:, 0] for z in (a, b))
        surer = log_p.gather(1, at) > log_q.gather(1, at)
        guided = (xi_a > xi_b) & surer[:, 0]
        target = (LAMBDA * log_p.exp()).scatter_(1, at, BOOST)
    return torch.where(guided, -(target * log_q).sum(dim=1), 0).mean()


def negative_learning_loss(net, batch, codes):
    a, b = (
        head(encoder(x)) for head, encoder, x in zip(net.heads, net.encoders, batch, strict=True)
    )
    fused = (a + b) / 2
    j = fused.detach().scatter(1, codes[:, None], -torch.inf).argmax(dim=1, keepdim=True)
    loss = F.cross_entropy(fused, codes) + F.cross_entropy(a, codes) + F.cross_entropy(b, codes)
    # divided by the number of classes, as published
    return loss + (guidance(a, b, codes, j) + guidance(b, a, codes, j)) / N_CLASSES, fused


def joint_loss(net, batch, codes):
    us = [encoder(x) for encoder, x in zip(net.encoders, batch, strict=True)]
    fused = sum(block(u) for block, u in zip(net.blocks, us, strict=True)) + net.bias
    own = sum(F.cross_entropy(head(u), codes) for head, u in zip(net.heads, us, strict=True))
    return F.cross_entropy(fused, codes) + ALPHA * own, fused


def pure_loss(net, number, x, codes):
    u = net.encoders[number](x)
    fused = net.blocks[number](u) + net.bias
    return F.cross_entropy(fused, codes) + GAMMA * F.cross_entropy(net.heads[number](u), codes)


def one_epoch(net, optimizer, xs, target, batch_size, loss_of, how):
    total = torch.zeros((), device=target.device)
    right = torch.zeros((), device=target.device)
    for batch, codes in batches(xs, target, batch_size, how):
        optimizer.zero_grad(set_to_none=True)
        loss, fused = loss_of(net, batch, codes)
        loss.backward()
        optimizer.step()
        total += loss.detach() * len(codes)
        right += (fused.detach().argmax(dim=1) == codes).sum()
    total.item(), right.item()


def remixed_epoch(net, optimizer, xs, target, batch_size, how):
    with torch.no_grad():
        log_p = [
            F.log_softmax(head(encoder(x)), dim=1)
            for head, encoder, x in zip(net.heads, net.encoders, xs, strict=True)
        ]
        entropies = torch.stack([-(p.exp() * p).sum(dim=1) for p in log_p], dim=1)
    owner = entropies.argmax(dim=1)
    order = torch.randperm(len(target)).to(target.device)
    subsets = [order[owner[order] == k] for k in range(len(xs))]
    pieces = [
        (k, start) for k, rows in enumerate(subsets) for start in range(0, len(rows), batch_size)
    ]
    if how == "slice":
        xs = [x[rows] for x, rows in zip(xs, subsets, strict=True)]
        targets = [target[rows] for rows in subsets]
    total = torch.zeros((), device=target.device)
    for number in torch.randperm(len(pieces)).tolist():
        k, start = pieces[number]
        rows = slice(start, start + batch_size)
        if how == "slice":
            x, codes = xs[k][rows], targets[k][rows]
        else:
            x, codes = xs[k][subsets[k][rows]], target[subsets[k][rows]]
        optimizer.zero_grad(set_to_none=True)
        loss = pure_loss(net, k, x, codes)
        loss.backward()
        optimizer.step()
        total += loss.detach() * len(codes)
    total.item()


def by_hand(method, X, y, batch_size, n_epochs, device, how) -> None:
    xs, target = as_tensors(X, y, device)
    net = HandNet(fused=method == "remixing").to(device)
    optimizer = make_optimizer(net)
    for epoch in range(n_epochs):
        if method == "negative learning":
            one_epoch(net, optimizer, xs, target, batch_size, negative_learning_loss, how)
        elif epoch % 2:
            remixed_epoch(net, optimizer, xs, target, batch_size, how)
        else:
            one_epoch(net, optimizer, xs, target, batch_size, joint_loss, how)


def estimator(method, batch_size, n_epochs, device, **params):
    settings = as_by_hand(batch_size, n_epochs, device)
    if method == "negative learning":
        return NegativeLearningClassifier(**settings)
    return DataRemixingClassifier(**settings, **params)


def compare_with_hand(method, X, y, batch_size, n_epochs, device) -> dict:
    job = (X, y, batch_size, n_epochs, device)

    def ours():
        # joint and remixed epochs in turn, as in the loop by hand
        estimator(method, batch_size, n_epochs, device, remix_after=1, joint_every=2).fit(X, y)

    return {
        "hand-written, gather": lambda: by_hand(method, *job, "gather"),
        "hand-written, slice": lambda: by_hand(method, *job, "slice"),
        "estimator": ours,
    }


def compare_with_joint(X, y, batch_size, n_epochs, device) -> dict:
    def fit(**params):
        return estimator("remixing", batch_size, n_epochs, device, **params).fit(X, y)

    fitted = fit(remix_after=None)
    rows = fitted._rows_for_prediction(X)[1]

    def joint_and_pass():
        fit(remix_after=None)
        for _ in range(n_epochs):
            fitted.net_.evaluate_rows(rows)

    return {
        "joint epoch and evaluation": joint_and_pass,
        "estimator": lambda: fit(remix_after=0, joint_every=None),
    }


def measure(asked: Asked) -> list[dict]:
    rows = []
    for n, batch_size, n_epochs in [(10_000, 128, 10), (2_000, 128, 50), (2_000, 64, 50)]:
        if n > asked.most_rows:
            continue
        X, y = make_data(n, N_CLASSES)
        job = (X, y, batch_size, n_epochs, asked.device)
        comparisons = {
            "negative learning": compare_with_hand("negative learning", *job),
            "remixing": compare_with_hand("remixing", *job),
            "remixed epoch": compare_with_joint(*job),
        }
        for what, runs in comparisons.items():
            median = asked.medians(runs)
            *baselines, _ = median
            for baseline in baselines:
                rows.append(
                    {
                        "device": device_name(asked.device),
                        "rows": n,
                        "batch_size": batch_size,
                        "what": what,
                        "against": baseline,
                        "seconds": round(median["estimator"] / n_epochs, 4),
                        "baseline_seconds": round(median[baseline] / n_epochs, 4),
                        "ratio": round(median["estimator"] / median[baseline], 3),
                    }
                )
    return rows
