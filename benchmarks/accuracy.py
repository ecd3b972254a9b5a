"""Who is how accurate: baselines, networks, methods, controls and the opinion pool.

=========== ==============================================================================
question    asks
=========== ==============================================================================
record      all of them, tuned alike
pool        is the opinion pool ahead of the best of the simplest baselines, untuned?
=========== ==============================================================================

"record": nested cross-validation on all development sets. Outer folds are those of each set's
protocol (speakers and days left out). Inside a training fold every method chooses among three
candidates of its own, by log-loss on one held-out quarter (speakers kept together; the same rows
for all methods and seeds), and is fitted again on the whole training fold; the opinion pool is run
as it comes, its cross-fitting inside, and so is the joint network once more ("joint, as it comes").
Networks that are tuned have the same backbones, at most 30 epochs, a tenth held out and the best
epoch restored, and no fitted fusion weights. "each modality alone" is read off the late fusion of
the same learner, whose classifiers are trained one modality at a time.

"pool": each modality alone, late fusion (mean of probabilities) and concatenation, each with four
learners, none of them tuned: logistic regression, 200 extra trees, a support vector machine with
RBF kernel and Platt's scaling, and histogram boosting (capped at 30 rounds of 8 leaves on a quarter
of the columns, and left out for leaves100: 100 classes are 100 trees a round). The best of them is
chosen for each set *in hindsight*, by its test folds, which no user could do: it has luck on its
side. The pool is ``OpinionPoolClassifier()`` as it comes.

The test fold is seen once. Methods without chance in them are measured once, all others with every
seed. Each set is judged as `_protocols.JUDGED_BY` says.

    python benchmarks/accuracy.py                 # both: hours
    python benchmarks/accuracy.py record --jobs 2 --seeds 1 --datasets dermatology
    python benchmarks/accuracy.py pool --show     # nothing is measured
"""

from __future__ import annotations

import contextlib
import inspect
from functools import partial

import numpy as np
from _as_they_come import Earlier
from _late_nets import LateNets
from _protocols import without
from _questions import Question, answer
from _record_tables import CONTROLS, LEARNERS, POOL, differences, proof, record
from _stress import stress as stressed
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, GroupShuffleSplit, StratifiedShuffleSplit
from sklearn.pipeline import make_pipeline
from sklearn.svm import SVC

from sk_mmbalance import (
    ARMClassifier,
    DataRemixingClassifier,
    LateFusionClassifier,
    ModalityConcatenator,
    MultimodalClassifier,
    NegativeLearningClassifier,
    OpinionPoolClassifier,
    SustainedBoostingClassifier,
)
from sk_mmbalance.exceptions import MissingModalityError

DATASETS = [
    "mfeat",
    "avdigits",
    "avdigits_weakimage",
    "occupancy",
    "leaves100",
    "dermatology",
]
#: Three folds instead of five where a fold costs most.
N_SPLITS = {"mfeat": 3}
#: Nothing in them is random.
DETERMINISTIC = [
    f"{how}, {name}" for how in ("concatenation", "late fusion") for name in ("LR", "SVM")
]
DETERMINISTIC += ["ARM"]


class Tuned(ClassifierMixin, BaseEstimator):
    """Chooses among candidates on one held-out quarter, then fits the chosen one on all rows."""

    def __init__(self, estimator, candidates, random_state=0):
        self.estimator = estimator
        self.candidates = candidates
        self.random_state = random_state

    def fit(self, X, y, groups=None):
        split = StratifiedShuffleSplit if groups is None else GroupShuffleSplit
        inner = split(1, test_size=0.25, random_state=self.random_state).split(y, y, groups)
        self.search_ = GridSearchCV(
            clone(self.estimator),
            [{name: [value] for name, value in params.items()} for params in self.candidates],
            scoring="neg_log_loss",
            cv=list(inner),
            error_score="raise",
        )
        takes = groups is not None and "groups" in inspect.signature(self.estimator.fit).parameters
        self.search_.fit(X, y, **({"groups": groups} if takes else {}))
        self.classes_ = self.search_.classes_
        if hasattr(self.search_.best_estimator_, "unimodal_predict_proba"):
            self.unimodal_predict_proba = self.search_.best_estimator_.unimodal_predict_proba
        return self

    def predict_proba(self, X):
        return self.search_.predict_proba(X)


def _learner(name: str, seed: int):
    """A learner with its three candidates."""
    if name == "LR":
        return LogisticRegression(max_iter=300), "C", (0.01, 0.1, 1.0)
    if name == "extra trees":
        trees = ExtraTreesClassifier(200, random_state=seed)
        return trees, "min_samples_leaf", (1, 2, 5)
    if name == "HGB":
        # capped: 100 classes are 100 trees an iteration
        boosted = HistGradientBoostingClassifier(
            max_iter=20, max_features=0.1, early_stopping=False, random_state=seed
        )
        return boosted, "max_leaf_nodes", (4, 8, 16)
    svm = CalibratedClassifierCV(SVC(), cv=3, ensemble=False)
    return svm, "estimator__C", (1.0, 10.0, 100.0)


def tuned(dataset: str) -> dict:
    """All methods of the record for one data set."""
    network = {
        "max_epochs": 30,
        "early_stopping": True,
        "batch_size": 512 if dataset == "occupancy" else 64,
        "dtype": "float32",
        "missing": "mask",
        "fusion_weights": None,
    }

    def concatenated(learner):
        def make(seed):
            model, name, values = _learner(learner, seed)
            # a missing modality is filled with zeros, its mean in the training fold
            fill = SimpleImputer(strategy="constant", fill_value=0.0)
            pipe = make_pipeline(ModalityConcatenator(missing="mask"), fill, model)
            step = pipe.steps[-1][0]
            return Tuned(pipe, [{f"{step}__{name}": value} for value in values])

        return make

    def late(learner):
        def make(seed):
            model, name, values = _learner(learner, seed)
            fused = LateFusionClassifier(model, missing="mask")
            return Tuned(fused, [{f"estimator__{name}": value} for value in values])

        return make

    def net(method, own, prefix="", **params):
        candidates = ({}, {"dropout": 0.3}, own)

        def make(seed):
            model = method(random_state=seed, **network, **params)
            if prefix:
                model = LateNets(model)
            return Tuned(
                model, [{prefix + name: value for name, value in c.items()} for c in candidates]
            )

        return make

    wide = {"hidden_layer_sizes": (256,)}
    made = {f"concatenation, {name}": concatenated(name) for name in LEARNERS}
    made |= {f"late fusion, {name}": late(name) for name in LEARNERS}
    made |= {
        "joint": net(MultimodalClassifier, wide, unimodal_weight=0.0),
        "joint, transformer": net(
            MultimodalClassifier, wide, fusion="transformer", unimodal_weight=0.0
        ),
        "joint, a loss per modality": net(MultimodalClassifier, wide, unimodal_weight=0.5),
        "late fusion of networks": net(
            MultimodalClassifier, wide, prefix="network__", unimodal_weight=0.0
        ),
        "late fusion, a loss per modality": net(
            MultimodalClassifier, wide, fusion="late", unimodal_weight=1.0
        ),
        "negative learning": net(NegativeLearningClassifier, {"reduction": "mean"}),
        "remixing": net(DataRemixingClassifier, {"unimodal_weight": 1.0}),
        "boosting, one head": net(SustainedBoostingClassifier, wide, max_heads=1),
        "boosting": net(SustainedBoostingClassifier, {"residual_weight": 0.25}),
    }
    # Calibrated like the SVM, in place of its own temperature.
    made["ARM"] = lambda seed: Tuned(
        CalibratedClassifierCV(
            ARMClassifier(missing="mask", temperature=None), cv=3, ensemble=False
        ),
        [{"estimator__strong_reg": value} for value in (0.001, 0.01, 0.1)],
    )
    # with the held-out part of then
    made["joint, as it comes"] = lambda seed: Earlier(
        MultimodalClassifier(missing="mask", random_state=seed)
    )
    # its cross-validation is inside
    made[POOL] = lambda seed: OpinionPoolClassifier(missing="mask", random_state=seed)
    return made


def stress(fitted, X, y) -> dict[str, float]:
    """Calibration error; accuracy under noise and with missing modalities."""
    figures = stressed(fitted, X, y, noises=(1.0,), shares=())
    # A row without a whole side, as ARM has two of, is refused: no figure then.
    with contextlib.suppress(MissingModalityError):
        figures |= stressed(fitted, X, y, noises=(), shares=(0.3,))
    kept = {name: value for name, value in figures.items() if not name.startswith("log_loss")}
    return kept | {
        "calibration_error": calibration_error(y, fitted.predict_proba(X), fitted.classes_)
    }


def calibration_error(y: np.ndarray, proba: np.ndarray, classes: np.ndarray, bins=15) -> float:
    """Expected calibration error of the class predicted, in bins of equal width."""
    confidence = proba.max(axis=1)
    right = classes[proba.argmax(axis=1)] == y
    which = np.minimum((confidence * bins).astype(int), bins - 1)
    gap = np.bincount(which, weights=right - confidence, minlength=bins)
    return float(np.abs(gap).sum() / len(y))


# -- the pool beside untuned baselines -----------------------------------------------------


def untuned_learners(seed: int) -> dict:
    """Learners as they come."""
    return {
        "LR": LogisticRegression(max_iter=1000),
        "SVM": CalibratedClassifierCV(SVC(), cv=3, ensemble=False),
        "extra trees": ExtraTreesClassifier(200, random_state=seed),
        "boosting": HistGradientBoostingClassifier(
            max_iter=30,
            learning_rate=0.15,
            max_leaf_nodes=8,
            max_features=0.25,
            early_stopping=False,
            random_state=seed,
        ),
    }


UNTUNED = tuple(untuned_learners(0))


def untuned(dataset: str) -> dict:
    """The pool; late fusion and concatenation of the learners."""
    made = {POOL: lambda seed: OpinionPoolClassifier(random_state=seed)}
    for name in UNTUNED:
        if (dataset, name) == ("leaves100", "boosting"):
            continue
        made[f"late fusion, {name}"] = lambda seed, n=name: LateFusionClassifier(
            untuned_learners(seed)[n]
        )
        made[f"concatenation, {name}"] = lambda seed, n=name: make_pipeline(
            ModalityConcatenator(), untuned_learners(seed)[n]
        )
    return made


QUESTIONS = {
    "record": Question(
        table="accuracy",
        methods=tuned,
        datasets=DATASETS,
        options={
            "stress": stress,
            "n_splits": N_SPLITS,
            "once": DETERMINISTIC,
            "keep": without("log_loss["),
        },
        derived={"accuracy_record": record, "accuracy_differences": differences},
        controls=CONTROLS,
    ),
    "pool": Question(
        table="opinion_pool",
        methods=untuned,
        datasets=DATASETS,
        options={
            "n_splits": N_SPLITS,
            "once": DETERMINISTIC,
            "keep": without("log_loss["),
        },
        derived={"opinion_pool_proof": partial(proof, learners=UNTUNED)},
        against=(POOL,),
    ),
}


if __name__ == "__main__":
    answer(QUESTIONS, __doc__)
