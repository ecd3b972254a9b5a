"""Whether the opinion pool's default experts cost what is reckoned.

``OpinionPoolClassifier()`` reckons what a fit of each expert costs from rows, columns and classes,
and leaves out what is too dear: a deterministic choice, which a clock would not be. Here the fits
are timed (CPU seconds) on noisy synthetic data, by which the coefficients in the package were
found, and compared with what is reckoned. Rewrites ``results/expert_costs.csv.xz``.

    python benchmarks/expert_costs.py            # two minutes
    python benchmarks/expert_costs.py --show     # nothing is measured
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import pandas as pd
from _protocols import read, write
from scipy.optimize import nnls
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sk_mmbalance import Modalities, MultimodalClassifier
from sk_mmbalance.experts import auto_classifiers, rough_kernel, seconds, terms

#: Rows, columns and classes of what is fitted.
SHAPES = [
    (1000, 20, 2),
    (1000, 100, 10),
    (3000, 50, 2),
    (3000, 300, 2),
    (8000, 50, 3),
    (12000, 20, 2),
    (1600, 64, 100),
]
COLUMNS = ["method", "n_samples", "n_features", "n_outputs", "seconds"]


def data(n, p, k):
    """Classes that a third of the columns tell a little of, a fifth of them wrong."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, k, n)
    X = rng.normal(size=(n, p))
    X[:, : p // 3 + 1] += 0.3 * rng.normal(size=(k, p // 3 + 1))[y]
    return X, np.where(rng.random(n) < 0.2, rng.integers(0, k, n), y)


def measure() -> pd.DataFrame:
    rows = []
    for n, p, k in SHAPES:
        X, y = data(n, p, k)
        shape = (n, p, 1 if k == 2 else k)
        rough = make_pipeline(
            StandardScaler(), rough_kernel(p, 0), LogisticRegression(max_iter=1000)
        )
        models = auto_classifiers(n, p, k, 0, unlimited=True).models | {"rough kernel": rough}
        models["network"] = MultimodalClassifier(random_state=0)
        halves = Modalities(first=X[:, : p // 2], second=X[:, p // 2 :])
        for kind, model in models.items():
            if "," in kind:  # a weaker linear model takes less
                continue
            start = time.process_time()
            model.fit(halves if kind == "network" else X, y)
            rows.append((kind, *shape, time.process_time() - start))
            print(*rows[-1], f"reckoned {seconds(kind, *shape):.2f}", flush=True)
    return pd.DataFrame(rows, columns=COLUMNS)


def coefficients(table: pd.DataFrame) -> dict[str, list[float]]:
    """Least relative squares: what the measured seconds say the coefficients are."""
    found = {}
    for kind, own in table.groupby("method", sort=False):
        shapes = own[["n_samples", "n_features", "n_outputs"]].itertuples(index=False)
        counted = np.array([terms(kind, *shape) for shape in shapes])
        scaled = counted / own["seconds"].to_numpy()[:, None]
        size = scaled.max(axis=0)
        found[kind] = (nnls(scaled / size, np.ones(len(own)))[0] / size).tolist()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--show", action="store_true", help="measure nothing")
    show = parser.parse_args().show
    table = read("expert_costs", columns=COLUMNS) if show else measure()
    write(table, "expert_costs")
    for kind, values in coefficients(table).items():
        print(f"{kind} = [{', '.join(f'{value:.2g}' for value in values)}]")
    shapes = table[["method", "n_samples", "n_features", "n_outputs"]].itertuples(index=False)
    reckoned = np.array([seconds(*shape) for shape in shapes])
    ratio = (table["seconds"] / reckoned).groupby(table["method"])
    print("measured over reckoned:", ratio.agg(["min", "median", "max"]).round(2), sep="\n")


if __name__ == "__main__":
    main()
