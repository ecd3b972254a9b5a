"""How far joint training starves single modalities.

For every modality of mfeat and leaves100, the accuracy

- of a network of its own;
- inside the jointly trained network, with the other modalities masked;
- of a linear probe (logistic regression) on its embedding inside the jointly trained network;
- the same two inside the network that also has a loss per modality (``unimodal_weight=1``; its
  own head instead of the mask).

Same backbones, epochs and folds for all; 3 seeds. Rewrites ``results/starved_modalities.csv.xz``.

    python benchmarks/starved_modalities.py
"""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import torch
from _protocols import load, write
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from sk_mmbalance import ModalityTransformer, MultimodalClassifier

SETTINGS = {"max_epochs": 50, "early_stopping": False}
SEEDS = range(3)


def probe(train, y_train, test, y_test) -> float:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = LogisticRegression(max_iter=300).fit(train, y_train)
    return model.score(test, y_test)


def accuracies(train, y_train, test, y_test, seed):
    """Yield (modality or "fused", what, accuracy)."""
    for name in train.names:
        alone = MultimodalClassifier(**SETTINGS, unimodal_weight=0.0, random_state=seed)
        alone.fit(train.select([name]), y_train)
        yield name, "own network", alone.score(test.select([name]), y_test)
    for weight, title, part in (
        (0.0, "joint", "others masked"),
        (1.0, "joint, a loss per modality", "own head"),
    ):
        model = MultimodalClassifier(**SETTINGS, unimodal_weight=weight, random_state=seed)
        model.fit(train, y_train)
        yield "fused", title, model.score(test, y_test)
        own = model.unimodal_predict_proba(test)
        before, after = model.embed(train), model.embed(test)
        for name in train.names:
            right = model.classes_[own[name].argmax(axis=1)] == y_test
            yield name, f"{title}: {part}", np.mean(right)
            yield (
                name,
                f"{title}: linear probe",
                probe(before[name], y_train, after[name], y_test),
            )


def main() -> None:
    torch.set_num_threads(1)
    rows = []
    for dataset in ("mfeat", "leaves100"):
        protocol = load(dataset)
        for fold, (train, test) in enumerate(protocol.folds):
            scale = ModalityTransformer({}, remainder=StandardScaler()).fit(protocol.X[train])
            data = (
                scale.transform(protocol.X[train]),
                protocol.y[train],
                scale.transform(protocol.X[test]),
                protocol.y[test],
            )
            for seed in SEEDS:
                for modality, what, value in accuracies(*data, seed):
                    where = f"{dataset} / {modality}"
                    rows.append((where, what, seed, fold, "accuracy", round(float(value), 6)))
            print(f"{dataset}: fold {fold} done", flush=True)
    columns = ["dataset", "method", "seed", "fold", "metric", "value"]
    frame = pd.DataFrame(rows, columns=columns)
    write(frame, "starved_modalities")
    print(frame.groupby(["dataset", "method"])["value"].mean().unstack().round(3).to_string())


if __name__ == "__main__":
    main()
