"""AutoGluon's side of `_peers.AutoGluon`: run by the environment of ``make peers``, not by ours.

    python _autogluon_side.py fit FOLDER SECONDS      # reads train.npz, leaves a predictor
    python _autogluon_side.py predict FOLDER          # reads test.npz, writes answers.npz

``train.npz`` has the modalities side by side as `X`, the classes as `y`, and `held_out`, the rows
to judge models by, where it is not for AutoGluon to choose them.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from autogluon.tabular import TabularPredictor

#: Needs torch, or fastai.
NETWORKS = ["NN_TORCH", "FASTAI"]


def table(X: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame(X, columns=[f"x{number}" for number in range(X.shape[1])])


def fit(folder: Path, seconds: float) -> None:
    with np.load(folder / "train.npz") as arrays:
        rows = table(arrays["X"]).assign(y=arrays["y"])
        held_out = arrays.get("held_out")
    tuning = {} if held_out is None else {"tuning_data": rows[held_out]}
    predictor = TabularPredictor(
        "y",
        problem_type="binary" if rows["y"].nunique() == 2 else "multiclass",  # it would guess
        eval_metric="log_loss",
        path=str(folder / "predictor"),
        verbosity=0,
    )
    predictor.fit(
        rows if held_out is None else rows[~held_out],
        time_limit=seconds,
        num_cpus=1,
        num_gpus=0,
        excluded_model_types=NETWORKS,
        **tuning,
    )


def predict(folder: Path) -> None:
    with np.load(folder / "test.npz") as arrays:
        rows = table(arrays["X"])
    proba = TabularPredictor.load(str(folder / "predictor"), verbosity=0).predict_proba(rows)
    np.savez(folder / "answers.npz", classes=proba.columns.to_numpy(), proba=proba.to_numpy())


if __name__ == "__main__":
    what, where = sys.argv[1], Path(sys.argv[2])
    if what == "fit":
        fit(where, float(sys.argv[3]))
    else:
        predict(where)
