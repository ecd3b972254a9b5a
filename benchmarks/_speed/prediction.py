"""`predict_proba` against the bare network: what reading, checking and putting together cost.

The network is that of the estimator, with what it trains besides; "bare" calls it on tensors that
are there already, in batches of as many rows, and puts the probabilities together.
"""

from __future__ import annotations

import torch

from sk_mmbalance import Modalities, MultimodalClassifier, NegativeLearningClassifier

from .timing import Asked, as_by_hand, device_name, make_data

N_CLASSES = 10
#: Rows of a batch where nothing is trained, and how often one timing predicts, by number of rows.
BATCH, TIMES = 4096, {2_000: 40, 20_000: 10, 200_000: 1}


@torch.inference_mode()
def bare(network, xs: dict[str, torch.Tensor]) -> torch.Tensor:
    n_rows = len(next(iter(xs.values())))
    parts = []
    for start in range(0, n_rows, BATCH):
        batch = {name: x[start : start + BATCH] for name, x in xs.items()}
        parts.append(network(batch, None, unimodal=False).logits.softmax(1))
    return torch.cat(parts)


def measure(asked: Asked) -> list[dict]:
    rows = []
    settings = as_by_hand(128, 1, asked.device)
    estimators = {
        "MultimodalClassifier": MultimodalClassifier(**settings),
        "NegativeLearningClassifier": NegativeLearningClassifier(**settings),
    }
    for n, times in TIMES.items():
        if n > asked.most_rows:
            continue
        X, y = make_data(n, N_CLASSES)
        whole = Modalities(X)
        for name, estimator in estimators.items():
            fitted = estimator.fit(whole[:2000], y[:2000])
            network = fitted.net_.network.eval()
            xs = {m: torch.from_numpy(x).to(asked.device) for m, x in X.items()}

            def ours(fitted=fitted, whole=whole, times=times):
                for _ in range(times):
                    fitted.predict_proba(whole)

            def theirs(network=network, xs=xs, times=times):
                for _ in range(times):
                    bare(network, xs)

            median = asked.medians({"bare network": theirs, name: ours})
            rows.append(
                {
                    "device": device_name(asked.device),
                    "rows": n,
                    "method": name,
                    "seconds": float(f"{median[name] / times:.3g}"),
                    "bare_seconds": float(f"{median['bare network'] / times:.3g}"),
                    "ratio": round(median[name] / median["bare network"], 3),
                }
            )
    return rows
