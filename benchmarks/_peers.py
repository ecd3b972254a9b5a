"""AutoGluon as a classifier of ours: in an environment of its own, given rows by files."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.model_selection import GroupShuffleSplit

from sk_mmbalance import ModalityConcatenator

HERE = Path(__file__).parent
#: As `make peers` names it.
ENVIRONMENT = Path(os.environ.get("PEERS", HERE.parent / ".venv-peers")).absolute()
ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "LOKY_MAX_CPU_COUNT"), "1"
)


def interpreter() -> Path:
    """The interpreter that has AutoGluon, where there is one."""
    return ENVIRONMENT / ("Scripts" if sys.platform == "win32" else "bin") / "python"


class AutoGluon(ClassifierMixin, BaseEstimator):
    """AutoGluon's tabular predictor as it comes, on all modalities side by side.

    It is given log-loss as its aim, one thread and `time_limit` seconds. Where there are groups,
    the rows that it judges its models by are a fifth of the groups; else it draws them itself.
    """

    def __init__(self, time_limit, random_state=0):
        self.time_limit = time_limit
        self.random_state = random_state

    def fit(self, X, y, groups=None):
        self._folder = tempfile.TemporaryDirectory(prefix="autogluon-")
        arrays = {"X": ModalityConcatenator().fit_transform(X), "y": y}
        if groups is not None:
            cut = GroupShuffleSplit(1, test_size=0.2, random_state=self.random_state)
            held_out = np.isin(np.arange(len(y)), next(cut.split(y, y, groups))[1])
            if set(y[~held_out]) == set(y):  # it can learn no class from what it is judged by
                arrays["held_out"] = held_out
        np.savez(Path(self._folder.name) / "train.npz", **arrays)
        self._run("fit", str(self.time_limit))
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X):
        folder = Path(self._folder.name)
        np.savez(folder / "test.npz", X=ModalityConcatenator().fit_transform(X))
        self._run("predict")
        with np.load(folder / "answers.npz") as answers:
            proba = np.zeros((len(answers["proba"]), len(self.classes_)))
            # classes of very few rows are left out by AutoGluon
            proba[:, np.searchsorted(self.classes_, answers["classes"])] = answers["proba"]
        return proba

    def _run(self, what, *args):
        command = [interpreter(), HERE / "_autogluon_side.py", what, self._folder.name, *args]
        done = subprocess.run(
            list(map(str, command)),
            env={**os.environ, **ONE_THREAD, "PYTHONPATH": ""},
            cwd=self._folder.name,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise RuntimeError(f"AutoGluon could not {what}:\n{done.stderr[-2000:]}")
