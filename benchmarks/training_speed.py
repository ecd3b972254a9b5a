"""Time of training through `MultimodalClassifier` against a hand-written PyTorch loop.

The same network (two modalities of 64 and 32 features, MLP 64-64 each, concatenated), the same
optimiser, rows, batch size and number of epochs. Two baselines:

- "gather": the loop most people write, which gathers each batch by its row numbers;
- "slice": gathers the shuffled rows once per epoch and takes contiguous slices, as we do.

Times are CPU seconds of the training loop itself (or seconds by the clock on a GPU), the median of
`--repeats`; runs of the three alternate, so that a busy machine disturbs them alike.

    python benchmarks/training_speed.py [--device cpu] [--repeats 5]

rewrites ``benchmarks/results/training_speed.csv``.
"""

from __future__ import annotations

import torch
from _timing import SIZES, command_line, keep, make_data, medians
from torch import nn

from sk_mmbalance import MultimodalClassifier


class HandNet(nn.Module):
    def __init__(self, n_classes: int):
        super().__init__()
        self.branches = nn.ModuleList(
            nn.Sequential(nn.Linear(d, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU())
            for d in SIZES.values()
        )
        self.out = nn.Linear(64 * len(SIZES), n_classes)

    def forward(self, xs):
        pairs = zip(self.branches, xs, strict=True)
        return self.out(torch.cat([branch(x) for branch, x in pairs], dim=1))


def by_hand(X, y, n_classes, batch_size, n_epochs, device, how) -> None:
    xs = [torch.from_numpy(X[name]).to(device) for name in SIZES]
    target = torch.from_numpy(y).to(device)
    net = HandNet(n_classes).to(device)
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3, weight_decay=1e-4, fused=True)
    loss_of = nn.CrossEntropyLoss()
    n = len(y)
    for _ in range(n_epochs):
        total = torch.zeros((), device=device)
        right = torch.zeros((), device=device)
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
            optimizer.zero_grad(set_to_none=True)
            logits = net(batch)
            loss = loss_of(logits, codes)
            loss.backward()
            optimizer.step()
            total += loss.detach() * len(codes)
            right += (logits.detach().argmax(dim=1) == codes).sum()
        total.item(), right.item()


def by_estimator(X, y, n_classes, batch_size, n_epochs, device) -> None:
    MultimodalClassifier(
        unimodal_weight=0.0,
        max_epochs=n_epochs,
        batch_size=batch_size,
        early_stopping=False,
        device=str(device),
        dtype="float32",
        random_state=0,
    ).fit(X, y)


def main() -> None:
    args = command_line(__doc__.splitlines()[0]).parse_args()
    torch.set_num_threads(1)
    device = torch.device(args.device)
    table = []
    for n, batch_size, n_epochs in [
        (20_000, 128, 6),
        (20_000, 32, 2),
        (2_000, 128, 30),
        (2_000, 32, 15),
    ]:
        for n_classes in (2, 10):
            X, y = make_data(n, n_classes)
            job = (X, y, n_classes, batch_size, n_epochs, device)
            runs = {
                "hand-written, gather": lambda j=job: by_hand(*j, "gather"),
                "hand-written, slice": lambda j=job: by_hand(*j, "slice"),
                "MultimodalClassifier": lambda j=job: by_estimator(*j),
            }
            median = medians(runs, args.repeats, device)
            for name, value in median.items():
                table.append(
                    {
                        "rows": n,
                        "batch_size": batch_size,
                        "classes": n_classes,
                        "method": name,
                        "seconds": round(value, 4),
                        "ratio_to_gather": round(value / median["hand-written, gather"], 3),
                        "ratio_to_slice": round(value / median["hand-written, slice"], 3),
                    }
                )
    keep("training_speed", table, device)


if __name__ == "__main__":
    main()
