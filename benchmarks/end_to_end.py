"""Convolutional networks on pixels and log-mels: every balancing method beside its control.

avdigits and avdigits_weakimage with speakers left out, images and spectrograms as they are. All
arms of ``balancing_methods.py`` with the same settings, but with convolutional backbones, a fixed
number of epochs and no held-out part: nothing stops early, the last epoch is scored, as a method is
usually trained on images. Ten seeds, each on one of the three folds of speakers (the first on the
first, the second on the second, ...), the same for all arms. Nothing is tuned.

A second table holds the curves: what single modalities can do inside joint training after 1, 2, 4,
... epochs (others masked; a linear probe on the embedding), beside a network of their own. A run of
n epochs is the beginning of a run of 2 n epochs with the same seed, so that the points of one seed
lie on one curve.

    python benchmarks/end_to_end.py                  # results/end_to_end.csv, and from it
                                                     # results/end_to_end_differences.csv
    python benchmarks/end_to_end.py --curves         # results/end_to_end_curves.csv
    python benchmarks/end_to_end.py --seeds 2 --methods joint remixing
"""

from __future__ import annotations

import warnings

import balancing_methods
import numpy as np
import pandas as pd
import torch
from _floors import LateNets
from _protocols import (
    COLUMNS,
    RESULTS,
    command_line,
    differences,
    load,
    only,
    percent,
    read,
    run,
    summary,
)
from balancing_methods import CONTROLS
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from sk_mmbalance import ModalityTransformer, MultimodalClassifier
from sk_mmbalance.exceptions import CollapseWarning

DATASETS = ["avdigits:raw", "avdigits_weakimage:raw"]
EPOCHS = 30
SETTINGS = {"max_epochs": EPOCHS, "early_stopping": False, "n_iter_no_change": 10}
CURVE_EPOCHS = (1, 2, 4, 8, 16, 32)
CURVE_SEEDS = range(3)


def arms(dataset: str) -> dict:
    """The arms of ``balancing_methods.py`` with the settings of this benchmark."""

    def settled(make):
        def made(seed):
            estimator = make(seed)
            network = estimator.network if isinstance(estimator, LateNets) else estimator
            network.set_params(**SETTINGS)
            return estimator

        return made

    left_out = (
        "joint, unimodal_weight=1",
        "negative learning, stronger",
        "negative learning and remixing",
    )
    return {
        name: settled(make)
        for name, make in balancing_methods.arms(dataset).items()
        if name not in left_out
    }


def curves() -> pd.DataFrame:
    """What each modality can do after so many epochs, in joint training and by itself."""
    file = RESULTS / "end_to_end_curves.csv"
    rows = list(read(file).itertuples(index=False, name=None))
    done = {(row[0], row[2]) for row in rows}
    columns = [*COLUMNS[:4], "epoch", *COLUMNS[4:]]
    for dataset in DATASETS:
        protocol = load(dataset)
        for seed in CURVE_SEEDS:
            if (dataset, seed) in done:
                continue
            fold = seed % len(protocol.folds)
            train, test = protocol.folds[fold]
            scale = ModalityTransformer({}, remainder=protocol.scaler).fit(protocol.X[train])
            data = (
                scale.transform(protocol.X[train]),
                protocol.y[train],
                scale.transform(protocol.X[test]),
                protocol.y[test],
            )
            for epochs in CURVE_EPOCHS:
                for method, metric, value in _points(*data, seed, epochs):
                    rows.append((dataset, method, seed, fold, epochs, metric, f"{value:.6g}"))
            pd.DataFrame(rows, columns=columns).to_csv(file, index=False)
            print(f"curves: {dataset}, seed {seed}", flush=True)
    return pd.read_csv(file)


def _points(train, y_train, test, y_test, seed, epochs):
    """Yield (method, metric, accuracy on the test fold) after `epochs` epochs."""
    settings = {"max_epochs": epochs, "early_stopping": False, "dtype": "float32"}
    for name in train.names:
        alone = MultimodalClassifier(**settings, unimodal_weight=0.0, random_state=seed).fit(
            train.select([name]), y_train
        )
        yield "own network", f"accuracy[{name}]", alone.score(test.select([name]), y_test)
    for title, weight in (("joint", 0.0), ("joint, a loss per modality", 0.5)):
        model = MultimodalClassifier(**settings, unimodal_weight=weight, random_state=seed)
        model.fit(train, y_train)
        yield title, "accuracy", model.score(test, y_test)
        own = model.unimodal_predict_proba(test)
        before, after = model.embed(train), model.embed(test)
        for name in train.names:
            right = model.classes_[own[name].argmax(axis=1)] == y_test
            yield title, f"accuracy[{name}]", np.mean(right)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)
                probe = LogisticRegression(max_iter=300).fit(before[name], y_train)
            yield f"{title}: linear probe", f"accuracy[{name}]", probe.score(after[name], y_test)


def show(frame: pd.DataFrame) -> None:
    """Print what the table says."""
    with pd.option_context("display.width", 200):
        print(percent(summary(frame)), end="\n\n")
        print(percent(summary(frame, "log_loss"), 3, 1), end="\n\n")
        print(percent(summary(frame, "accuracy[*]")).T, end="\n\n")
        for method, control in CONTROLS.items():
            pair = frame[frame["method"].isin([method, control])]
            if pair["method"].nunique() == 2:
                print(f"{method!r} minus {control!r}:")
                print(percent(differences(pair, "accuracy", control, unit="seed")), end="\n\n")


def main() -> None:
    parser = command_line(__doc__.splitlines()[0], DATASETS, seeds=10)
    parser.add_argument("--curves", action="store_true", help="the second table instead")
    args = parser.parse_args()
    if args.curves:
        torch.set_num_threads(1)
        print(curves().groupby(["dataset", "method", "metric", "epoch"])["value"].mean().unstack())
        return

    warnings.simplefilter("ignore", CollapseWarning)  # the shares of the rows are in the table
    frame = run(
        "end_to_end",
        only(arms, args.methods),
        args.datasets,
        range(args.seeds),
        args.jobs,
        extra=balancing_methods.extra,
        rotate=True,
    )
    pairs = balancing_methods.paired_differences(frame, unit="seed")
    pairs.to_csv(RESULTS / "end_to_end_differences.csv", index=False)
    show(frame)


if __name__ == "__main__":
    main()
