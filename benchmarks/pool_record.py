"""The opinion pool as it comes beside untuned baselines and stacking, on eleven sets.

The methods are those of ``accuracy.py pool``, and beside them stacking (logistic regression on the
out-of-fold probabilities of the learners on the concatenation), LightGBM where it is installed, the
pool with ``per_class=False``, and the pool told that shuffled rows are meant. Outer folds are those
of each set's protocol; hydraulic_ts, whose rows are in order of time, also in three blocks
(``hydraulic_ts:blocks``). It resumes where it was stopped.

    python benchmarks/pool_record.py --seeds 3 --jobs 2          # hours
    python benchmarks/pool_record.py --datasets wesad_wrist --seeds 1
"""

from __future__ import annotations

import importlib.util

from _questions import Question, answer
from _record_tables import POOL
from accuracy import DATASETS, DETERMINISTIC, N_SPLITS, untuned, untuned_learners
from sklearn.ensemble import StackingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline

from sk_mmbalance import ModalityConcatenator, OpinionPoolClassifier

SETS = [
    *DATASETS,
    "hydraulic_ts",
    "hydraulic_ts:blocks",
    "landuse21",
    "prokaryotic",
    "cremad_feat_ogmge",
    "wesad_wrist",
]


def methods(dataset):
    made = untuned(dataset)

    def stacking(seed):
        learners = untuned_learners(seed)
        if dataset == "leaves100":
            del learners["boosting"]
        stacked = StackingClassifier(
            list(learners.items()), LogisticRegression(max_iter=1000), cv=5
        )
        return make_pipeline(ModalityConcatenator(), stacked)

    made["stacking"] = stacking
    if importlib.util.find_spec("lightgbm") is None:
        print("LightGBM is not installed, and left out.")
    else:
        from lightgbm import LGBMClassifier

        made["concatenation, LightGBM"] = lambda seed: make_pipeline(
            ModalityConcatenator(), LGBMClassifier(random_state=seed, n_jobs=1, verbose=-1)
        )
    made[f"{POOL}, common weights"] = lambda seed: OpinionPoolClassifier(
        per_class=False, random_state=seed
    )
    if dataset.startswith(("hydraulic_ts", "landuse21")):
        made[f"{POOL}, shuffled folds"] = lambda seed: OpinionPoolClassifier(
            cv=StratifiedKFold(5, shuffle=True, random_state=seed), random_state=seed
        )
    return made


QUESTIONS = {
    "pool": Question(
        table="pool_record",
        methods=methods,
        datasets=SETS,
        seeds=3,
        options={
            "n_splits": {**N_SPLITS, "hydraulic_ts:blocks": 3},
            "once": DETERMINISTIC,
        },
        show=("balanced_accuracy", "log_loss", "cpu_seconds"),
        against=(POOL,),
    ),
}


if __name__ == "__main__":
    answer(QUESTIONS, __doc__)
