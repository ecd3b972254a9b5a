"""The opinion pool as it comes beside untuned baselines and stacking, on eleven sets.

The methods are those of ``accuracy.py pool``, and beside them stacking (logistic regression on the
out-of-fold probabilities of the learners on the concatenation), LightGBM where it is installed, the
pool with ``per_class=False``, the pool told that shuffled rows are meant, and with balanced weights
where classes are far from equal. Outer folds are those of each set's protocol; hydraulic_ts, whose
rows are in order of time, also in three blocks (``hydraulic_ts:blocks``). "networks": whether
networks among its experts make the pool better, on the same folds of the first seed. "peers":
AutoGluon on the same folds, in as many seconds as the pool took of one core there on average, where
`make peers` has installed it. It resumes where it was stopped.

    python benchmarks/pool_record.py pool --seeds 3 --jobs 2     # hours
    python benchmarks/pool_record.py pool --datasets wesad_wrist --seeds 1
    python benchmarks/pool_record.py networks                    # an hour
    python benchmarks/pool_record.py peers                       # as long as the pool, one seed
    python benchmarks/pool_record.py --show                      # nothing is measured
"""

from __future__ import annotations

import importlib.util

import pandas as pd
from _peers import AutoGluon, interpreter
from _pool_tables import beside_baselines, counts
from _pool_with_networks import PoolWithNetworks
from _protocols import read, run, write
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
#: Their largest class has three times the rows of the smallest, or more.
UNEQUAL = ("occupancy", "dermatology", "prokaryotic", "wesad_wrist")


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
    if dataset in UNEQUAL:
        made[f"{POOL}, balanced classes"] = lambda seed: OpinionPoolClassifier(
            class_weight="balanced", random_state=seed
        )
    return made


FOLDS = {**N_SPLITS, "hydraulic_ts:blocks": 3}


def peers(names, seeds, folder):
    """Measure AutoGluon on the sets on which the pool has been."""
    if not interpreter().exists():
        print(f"AutoGluon is left out: no {interpreter()}; `make peers` installs it.")
        return read("pool_peers", folder)
    record = read("pool_record", folder)
    took = record[(record["method"] == POOL) & (record["metric"] == "cpu_seconds")]
    limits = took.groupby("dataset")["value"].mean()

    def timed(dataset):
        limit = round(limits[dataset])
        return {"AutoGluon": lambda seed: AutoGluon(limit, random_state=seed)}

    there = [name for name in names if name in limits]
    table = run("pool_peers", timed, there, seeds, n_splits=FOLDS, folder=folder)
    return beside_the_pool(table, "pool_peers", folder)


def with_networks(names, seeds, folder):
    """Measure the pool with networks among its experts."""
    made = {
        f"{POOL} and a joint network": lambda seed: PoolWithNetworks(random_state=seed),
        f"{POOL} and two networks": lambda seed: PoolWithNetworks(
            ("joint network", "LFM"), random_state=seed
        ),
    }
    table = run("pool_networks", made, names, seeds, n_splits=FOLDS, folder=folder)
    return beside_the_pool(table, "pool_networks", folder)


def beside_the_pool(table, name, folder):
    """Write a table with the record's pool of the same folds and seeds: one file has all."""
    record = read("pool_record", folder)
    table = table[table["method"] != POOL]
    kept = record[(record["method"] == POOL) & record["metric"].isin(set(table["metric"]))]
    keys = ["dataset", "seed", "fold"]
    kept = kept.merge(table[keys].drop_duplicates(), on=keys)
    whole = pd.concat([table, kept[table.columns]], ignore_index=True)
    write(whole, name, folder)
    return whole


QUESTIONS = {
    "pool": Question(
        table="pool_record",
        methods=methods,
        datasets=SETS,
        seeds=3,
        options={"n_splits": FOLDS, "once": DETERMINISTIC},
        derived={"pool_record_differences": beside_baselines, "pool_record_counts": counts},
        show=("balanced_accuracy", "log_loss", "cpu_seconds"),
        against=(POOL,),
    ),
    "networks": Question(
        table="pool_networks",
        datasets=SETS,
        seeds=1,
        measure=with_networks,
        derived={"pool_networks_counts": counts},
        show=("balanced_accuracy", "log_loss", "cpu_seconds"),
        against=(POOL,),
    ),
    "peers": Question(
        table="pool_peers",
        datasets=SETS,
        seeds=1,
        measure=peers,
        derived={"pool_peers_counts": counts},
        show=("balanced_accuracy", "log_loss", "cpu_seconds"),
    ),
}


if __name__ == "__main__":
    answer(QUESTIONS, __doc__)
