"""Every balancing method in one grid search: scikit-learn's, on mfeat, errors raised.

``GridSearchCV(MultimodalClassifier(max_epochs=20), [{"balancing": [None, AGM(), ...]}], cv=3)``
runs to its end, whatever the method does to the network. Scores are those of the three inner folds,
means and standard deviations; they choose a method and are no record of it.

    python benchmarks/one_search.py         # a quarter of an hour
    python benchmarks/one_search.py --show
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd
import torch
from _protocols import COLUMNS, RESULTS, load, read, write
from _values import VALUES
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.pipeline import make_pipeline

from sk_mmbalance import ModalityTransformer, MultimodalClassifier

#: From the names of `GridSearchCV` to those of the table.
METRICS = {"test_accuracy": "accuracy", "test_neg_log_loss": "log_loss"}


def search() -> pd.DataFrame:
    """All values on all rows of the set."""
    protocol = load("mfeat")
    net = MultimodalClassifier(max_epochs=20, dtype="float32", random_state=0)
    pipe = make_pipeline(ModalityTransformer({}, remainder=protocol.scaler), net)
    values = [None, *VALUES.values()]
    found = GridSearchCV(
        pipe,
        {"multimodalclassifier__balancing": values},
        scoring=["accuracy", "neg_log_loss"],
        refit=False,
        cv=StratifiedKFold(3, shuffle=True, random_state=0),
        error_score="raise",
    ).fit(protocol.X, protocol.y)
    rows = []
    for k, name in enumerate(["no method", *VALUES]):
        for theirs, metric in METRICS.items():
            for what in ("mean", "std"):
                value = found.cv_results_[f"{what}_{theirs}"][k]
                value = -value if (theirs, what) == ("test_neg_log_loss", "mean") else value
                rows.append(("mfeat", name, 0, 0, f"{metric}, {what}", value))
    return pd.DataFrame(rows, columns=COLUMNS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=RESULTS)
    parser.add_argument("--show", action="store_true", help="measure nothing")
    args = parser.parse_args()
    torch.set_num_threads(1)
    if not args.show:
        write(search(), "one_search", args.folder)
    frame = read("one_search", args.folder)
    print(frame.pivot_table(index="method", columns="metric", values="value").round(4).to_string())


if __name__ == "__main__":
    main()
