"""Wide sparse text: an epoch on the sparse rows, on the same rows made dense, and by hand.

One modality of word counts beside one of 32 numbers. The hand-written loop keeps rows of a batch as
a sparse tensor and multiplies that with the first layer's weights, as the estimator does.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from scipy.sparse import csr_matrix
from torch import nn

from sk_mmbalance import Modalities, MultimodalClassifier

from .timing import Asked, as_by_hand, device_name, make_optimizer

#: Rows, words of the vocabulary, words of a row.
CASES = [(3_000, 20_000, 50), (3_000, 100_000, 50), (3_000, 100_000, 500)]
N_NUMBERS, N_CLASSES, BATCH, EPOCHS = 32, 5, 128, 2


def make_rows(n: int, n_words: int, per_row: int):
    """Counts of words, of which common ones are common, and numbers."""
    rng = np.random.default_rng(0)
    words = (n_words * rng.random((n, per_row)) ** 2).astype(np.int64).ravel()
    counts = csr_matrix(
        (np.ones(len(words), dtype=np.float32), (np.repeat(np.arange(n), per_row), words)),
        shape=(n, n_words),
    )
    numbers = rng.standard_normal((n, N_NUMBERS), dtype=np.float32)
    return counts, numbers, rng.integers(N_CLASSES, size=n)


class HandNet(nn.Module):
    """Encoders 64-64, and a linear layer on both."""

    def __init__(self, n_words: int):
        super().__init__()
        self.first = nn.Linear(n_words, 64)
        self.words = nn.Sequential(nn.ReLU(), nn.Linear(64, 64), nn.ReLU())
        self.numbers = nn.Sequential(
            nn.Linear(N_NUMBERS, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU()
        )
        self.fused = nn.Linear(128, N_CLASSES)

    def forward(self, words, numbers):
        hidden = torch.sparse.mm(words, self.first.weight.t()) + self.first.bias
        return self.fused(torch.cat([self.words(hidden), self.numbers(numbers)], dim=1))


def by_hand(counts, numbers, y, device) -> None:
    net = HandNet(counts.shape[1]).to(device)
    optimizer = make_optimizer(net)
    xs, target = torch.from_numpy(numbers).to(device), torch.from_numpy(y).to(device)
    for _ in range(EPOCHS):
        order = torch.randperm(len(y)).numpy()
        for start in range(0, len(y), BATCH):
            rows = order[start : start + BATCH]
            part = counts[rows]
            words = torch.sparse_csr_tensor(
                torch.from_numpy(part.indptr.astype(np.int64)),
                torch.from_numpy(part.indices.astype(np.int64)),
                torch.from_numpy(part.data),
                size=part.shape,
                check_invariants=False,
            ).to(device)
            optimizer.zero_grad(set_to_none=True)
            F.cross_entropy(net(words, xs[rows]), target[rows]).backward()
            optimizer.step()


def measure(asked: Asked) -> list[dict]:
    found = []
    for n, n_words, per_row in CASES:
        if n > asked.most_rows:
            continue
        counts, numbers, y = make_rows(n, n_words, per_row)
        forms = {
            "sparse rows": Modalities(numbers=numbers, words=counts),
            "dense rows": Modalities(numbers=numbers, words=counts.toarray()),
        }
        settings = as_by_hand(BATCH, EPOCHS, asked.device) | {"unimodal_weight": 0.0}

        def fit(X, settings=settings, y=y):
            MultimodalClassifier(**settings).fit(X, y)

        runs = {form: lambda X=X, fit=fit: fit(X) for form, X in forms.items()}
        runs["hand-written, sparse"] = lambda job=(counts, numbers, y): by_hand(*job, asked.device)
        for what, taken in asked.medians(runs).items():
            found.append(
                {
                    "device": device_name(asked.device),
                    "words": n_words,
                    "words_of_a_row": per_row,
                    "what": what,
                    "seconds": round(taken / EPOCHS, 3),
                }
            )
    return found
