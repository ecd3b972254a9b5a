"""How far joint training starves single modalities.

For every modality the accuracy

- of a network of its own;
- inside the jointly trained network, with the other modalities masked;
- of a linear probe (logistic regression) on its embedding inside the jointly trained network;
- the same two inside a network that also has a loss per modality (its own head instead of the
  mask).

Two questions. "features": at the end of training, on all folds of mfeat and leaves100, with a loss
per modality of weight 1. "curves": convolutional networks on the images and log-mels of avdigits
after 1, 2, 4, ... epochs, with weight 0.5; a run of n epochs is the beginning of a run of 2 n
epochs with the same seed, so that the points of one seed lie on one curve, and every seed has a
fold of speakers of its own. Same backbones for all; 3 seeds.

    python benchmarks/starved_modalities.py           # both
    python benchmarks/starved_modalities.py features  # one of them
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from _protocols import COLUMNS, RESULTS, Protocol, load, read, write
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from sk_mmbalance import ModalityTransformer, MultimodalClassifier

SEEDS = 3
EPOCHS = (1, 2, 4, 8, 16, 32)
JOINT, LOSSES = "joint", "joint, a loss per modality"


def measure(
    protocol: Protocol, fold: int, weight: float, **settings
) -> Iterator[tuple[str, str, float]]:
    """Yield (modality, or "" for all together; how; accuracy on the test fold).

    `weight` is that of the losses per modality.
    """
    train, test = protocol.folds[fold]
    scale = ModalityTransformer({}, remainder=protocol.scaler).fit(protocol.X[train])
    X, X_test = scale.transform(protocol.X[train]), scale.transform(protocol.X[test])
    y, y_test = protocol.y[train], protocol.y[test]
    settings |= {"early_stopping": False}
    for name in X.names:
        alone = MultimodalClassifier(**settings, unimodal_weight=0.0).fit(X.select([name]), y)
        yield name, "own network", alone.score(X_test.select([name]), y_test)
    for method, own_weight in ((JOINT, 0.0), (LOSSES, weight)):
        model = MultimodalClassifier(**settings, unimodal_weight=own_weight).fit(X, y)
        yield "", method, model.score(X_test, y_test)
        own = model.unimodal_predict_proba(X_test)
        before, after = model.embed(X), model.embed(X_test)
        for name in X.names:
            right = model.classes_[own[name].argmax(axis=1)] == y_test
            yield name, f"{method}: itself", np.mean(right)
            yield name, f"{method}: linear probe", probe(before[name], y, after[name], y_test)


def probe(train, y_train, test, y_test) -> float:
    """Accuracy of a linear classifier."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = LogisticRegression(max_iter=300).fit(train, y_train)
    return model.score(test, y_test)


def features(datasets, seeds, folder: Path) -> pd.DataFrame:
    """What is left of each modality at the end of training."""
    means = {JOINT: "others masked", LOSSES: "own head"}
    itself = {f"{method}: itself": f"{method}: {what}" for method, what in means.items()}
    rows = []
    for dataset in datasets:
        protocol = load(dataset)
        for fold in range(len(protocol.folds)):
            for seed in seeds:
                for name, how, value in measure(
                    protocol, fold, 1.0, max_epochs=50, random_state=seed
                ):
                    where = f"{dataset} / {name or 'fused'}"
                    rows.append((where, itself.get(how, how), seed, fold, "accuracy", value))
            print(f"{dataset}: fold {fold} done", flush=True)
    frame = pd.DataFrame(rows, columns=COLUMNS)
    write(frame, "starved_modalities", folder)
    return frame.groupby(["dataset", "method"])["value"].mean().unstack().round(3)


def curves(datasets, seeds, folder: Path) -> pd.DataFrame:
    """What each modality can do after so many epochs; a run that was stopped goes on."""
    name = "end_to_end_curves"
    columns = [*COLUMNS[:4], "epoch", *COLUMNS[4:]]
    frame = read(name, folder, columns)
    done = set(frame[["dataset", "seed"]].itertuples(index=False, name=None))
    for dataset in datasets:
        protocol = load(dataset)
        for seed in [seed for seed in seeds if (dataset, seed) not in done]:
            fold = seed % len(protocol.folds)
            rows = []
            for epoch in EPOCHS:
                settings = {"max_epochs": epoch, "dtype": "float32", "random_state": seed}
                for modality, how, value in measure(protocol, fold, 0.5, **settings):
                    metric = f"accuracy[{modality}]" if modality else "accuracy"
                    method = how.removesuffix(": itself")
                    rows.append((dataset, method, seed, fold, epoch, metric, value))
            frame = pd.DataFrame([*frame.itertuples(index=False), *rows], columns=columns)
            write(frame, name, folder)
            print(f"curves: {dataset}, seed {seed}", flush=True)
    return frame.groupby(["dataset", "method", "metric", "epoch"])["value"].mean().unstack()


QUESTIONS = {
    "features": (features, ["mfeat", "leaves100"]),
    "curves": (curves, ["avdigits:raw", "avdigits_weakimage:raw"]),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("questions", nargs="*", default=list(QUESTIONS))
    parser.add_argument("--datasets", nargs="*", default=None)
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--folder", type=Path, default=RESULTS)
    args = parser.parse_args()
    torch.set_num_threads(1)
    for question in args.questions:
        ask, datasets = QUESTIONS[question]
        datasets = [name for name in datasets if args.datasets is None or name in args.datasets]
        print(ask(datasets, range(args.seeds), args.folder).to_string())


if __name__ == "__main__":
    main()
