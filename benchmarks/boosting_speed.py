"""Time of alternating training by `SustainedBoostingClassifier` against a hand-written loop.

The same network (two modalities of 64 and 32 features, MLP 64-64 each, heads of 64, one output
layer), the same losses, one step of a fused AdamW a modality and batch, the same rows, batches and
epochs; once as published and once with the fused loss of our default. The hand-written loop keeps
what the method needs (each modality's confidence) and what anybody wants to see (fused loss and
accuracy); it gathers the shuffled rows once per epoch and takes contiguous slices, as we do
("slice"), or gathers each batch ("gather", the loop most people write).

Times are CPU seconds (or seconds by the clock on a GPU), the median of `--repeats`; runs of the
three alternate, so that a busy machine disturbs them alike.

    python benchmarks/boosting_speed.py [--device cpu] [--repeats 5]

rewrites ``benchmarks/results/boosting_speed.csv``.
"""

from __future__ import annotations

from itertools import product

import torch
import torch.nn.functional as F
from _timing import SIZES, command_line, keep, make_data, medians
from torch import nn

from sk_mmbalance import SustainedBoostingClassifier

N_CLASSES = 10
RESIDUAL_WEIGHT = 0.5


class HandNet(nn.Module):
    def __init__(self, n_heads: int):
        super().__init__()
        self.encoders = nn.ModuleList(
            nn.Sequential(nn.Linear(d, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU())
            for d in SIZES.values()
        )
        self.heads = nn.ModuleList(
            nn.ModuleList(nn.Linear(64, 64) for _ in range(n_heads)) for _ in SIZES
        )
        self.out = nn.Linear(64, N_CLASSES)

    def forward(self, number, u):
        return [self.out(F.relu(head(u))) for head in self.heads[number]]


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


def by_hand(X, y, n_heads, fused_weight, batch_size, n_epochs, device, how) -> None:
    xs = [torch.from_numpy(X[name]).to(device) for name in SIZES]
    target = torch.from_numpy(y).to(device)
    net = HandNet(n_heads).to(device)
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3, weight_decay=1e-4, fused=True)
    n = len(y)
    for _ in range(n_epochs):
        figures = torch.zeros(2 + len(xs), device=device)
        order = torch.randperm(n).to(device)
        if how == "slice":
            shuffled, labels = [x[order] for x in xs], target[order]
        for start in range(0, n, batch_size):
            if how == "slice":
                batch = [x[start : start + batch_size] for x in shuffled]
                codes = labels[start : start + batch_size]
            else:
                rows = order[start : start + batch_size]
                batch, codes = [x[rows] for x in xs], target[rows]
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
        figures.tolist()


def by_estimator(X, y, n_heads, fused_weight, batch_size, n_epochs, device) -> None:
    SustainedBoostingClassifier(
        n_heads_init=n_heads,
        max_heads=1,
        residual_weight=RESIDUAL_WEIGHT,
        fused_weight=fused_weight,
        max_epochs=n_epochs,
        batch_size=batch_size,
        early_stopping=False,
        device=str(device),
        dtype="float32",
        random_state=0,
    ).fit(X, y)


def main() -> None:
    parser = command_line(__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, nargs="*", default=[10_000, 2_000])
    args = parser.parse_args()
    torch.set_num_threads(1)
    device = torch.device(args.device)
    table = []
    default = SustainedBoostingClassifier().fused_weight
    sizes = [size for size in [(10_000, 128, 4), (2_000, 64, 10)] if size[0] in args.rows]
    for (n, batch_size, n_epochs), n_heads, fused_weight in product(sizes, (1, 3), (0.0, default)):
        X, y = make_data(n, N_CLASSES)
        job = (X, y, n_heads, fused_weight, batch_size, n_epochs, device)
        runs = {
            "hand-written, gather": lambda j=job: by_hand(*j, "gather"),
            "hand-written, slice": lambda j=job: by_hand(*j, "slice"),
            "SustainedBoostingClassifier": lambda j=job: by_estimator(*j),
        }
        median = medians(runs, args.repeats, device)
        for name, value in median.items():
            table.append(
                {
                    "rows": n,
                    "batch_size": batch_size,
                    "heads": n_heads,
                    "fused_weight": fused_weight,
                    "method": name,
                    "seconds": round(value / n_epochs, 4),
                    "ratio_to_gather": round(value / median["hand-written, gather"], 3),
                    "ratio_to_slice": round(value / median["hand-written, slice"], 3),
                }
            )
    keep("boosting_speed", table, device)


if __name__ == "__main__":
    main()
