"""The honest record: floors, networks, methods, controls and the opinion pool, tuned alike.

Nested cross-validation on all development sets. Outer folds are those of each set's protocol
(speakers and days left out). Inside a training fold every arm chooses among three candidates of
its own, by log-loss on one held-out quarter (speakers kept together; the same rows for all arms
and seeds), and is fitted again on the whole training fold; the opinion pool is run as it comes,
its cross-fitting inside, and so is the joint network once more ("joint, as it comes"). Networks
that are tuned have the same backbones, at most 30 epochs, a tenth held out and the best epoch
restored, and no fitted fusion weights. The test fold is seen once. Arms without chance in them are
measured once, all others with every seed.

"each modality alone" is read off the late fusion of the same learner, whose classifiers are
trained one modality at a time.

    python benchmarks/accuracy.py                     # results/accuracy.csv, and from it
                                                      # results/accuracy_record.csv and
                                                      # results/accuracy_references.csv
    python benchmarks/accuracy.py --jobs 2 --seeds 1 --datasets dermatology
    python benchmarks/accuracy.py --show              # those two again, nothing is run
"""

from __future__ import annotations

import contextlib
import inspect
import warnings

import numpy as np
import pandas as pd
from _floors import LateNets
from _protocols import (
    JUDGED_BY,
    command_line,
    judged,
    only,
    percent,
    read,
    run,
    write,
)
from balancing_methods import stress as stressed
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier
from sklearn.exceptions import ConvergenceWarning
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
from sk_mmbalance.exceptions import CollapseWarning, MissingModalityError

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
#: Each method with the arm that lacks only its idea.
CONTROLS = {
    "negative learning": "late fusion, a loss per modality",
    "remixing": "joint, a loss per modality",
    "boosting": "boosting, one head",
}
#: Among the floors: nobody should be worse off than with a joint network, tuned or as it comes.
JOINT = ("joint", "joint, transformer", "joint, a loss per modality", "joint, as it comes")
LEARNERS = ("LR", "extra trees", "HGB", "SVM")
STRESS = ("noise 1", "missing 30%")
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


def arms(dataset: str) -> dict:
    """All arms for one data set."""
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
    # The squared loss has no probabilities of its own: calibrated like the SVM.
    made["ARM"] = lambda seed: Tuned(
        CalibratedClassifierCV(ARMClassifier(missing="mask"), cv=3, ensemble=False),
        [{"estimator__strong_reg": value} for value in (0.001, 0.01, 0.1)],
    )
    made["joint, as it comes"] = lambda seed: MultimodalClassifier(
        missing="mask", random_state=seed
    )
    # its cross-validation is inside
    made["opinion pool"] = lambda seed: OpinionPoolClassifier(missing="mask", random_state=seed)
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


def alone(frame: pd.DataFrame) -> pd.DataFrame:
    """Each modality alone, as arms of their own, from the late fusions of the learners."""
    rows = frame[
        frame["method"].isin([f"late fusion, {name}" for name in LEARNERS])
        & frame["metric"].str.endswith("]")
    ]
    parts = rows["metric"].str.extract(r"(?P<metric>.*)\[(?P<modality>.*)\]")
    learner = rows["method"].str.removeprefix("late fusion, ")
    return rows.assign(metric=parts["metric"], method=parts["modality"] + " alone, " + learner)


def weakest(frame: pd.DataFrame) -> pd.DataFrame:
    """Accuracy of the modality that is worst by itself, as metric ``weakest``."""
    rows = judged(frame, "accuracy[*]")
    parts = rows["dataset"].str.split(" / ", n=1)
    rows = rows.assign(dataset=parts.str[0], modality=parts.str[1])
    floors = rows[rows["method"].isin([f"late fusion, {name}" for name in LEARNERS])]
    # One weakest modality a set, the same for all arms: that with the lowest best learner.
    best = floors.groupby(["dataset", "modality", "method"])["value"].mean()
    best = best.groupby(["dataset", "modality"]).max().unstack()
    weak = best.idxmin(axis=1)
    rows = rows[rows["modality"] == rows["dataset"].map(weak)]
    return rows.assign(metric="weakest").drop(columns="modality")


def is_floor(method: str) -> bool:
    """Whether an arm is one of the floors that every method is held to."""
    return (
        method.startswith(("concatenation", "late fusion"))
        or " alone, " in method
        or method in JOINT
    )


def best_alone(frame: pd.DataFrame) -> pd.DataFrame:
    """Of every learner the one modality that does best on the test folds, as one arm a learner."""
    rows = alone(frame)
    parts = rows["method"].str.split(" alone, ", n=1, expand=True)
    rows = rows.assign(modality=parts[0], learner=parts[1])
    keys = ["dataset", "learner"]
    best = judged(rows).groupby([*keys, "modality"])["value"].mean().unstack().idxmax(axis=1)
    chosen = rows["modality"] == best.reindex(pd.MultiIndex.from_frame(rows[keys])).to_numpy()
    rows = rows[chosen].assign(method="best modality alone, " + rows["learner"])
    return rows.drop(columns=["modality", "learner"])


def record(frame: pd.DataFrame) -> pd.DataFrame:
    """What the tables of the documentation show: one row a set, arm, seed and figure.

    Folds are averaged. "accuracy" is balanced where the set is judged so.
    """
    frame = pd.concat([best_alone(frame), frame], ignore_index=True)
    figures = [judged(frame).assign(metric="accuracy"), weakest(frame)]
    for how in STRESS:
        names = [JUDGED_BY.get(name, "accuracy") + f", {how}" for name in frame["dataset"]]
        figures.append(frame[frame["metric"] == names].assign(metric=how))
    figures += [frame[frame["metric"] == m] for m in ("log_loss", "calibration_error", "seconds")]
    rows = pd.concat(figures)
    keys = ["dataset", "method", "seed", "metric"]
    return _rounded(rows.groupby(keys, sort=False)["value"].mean().reset_index())


def references(frame: pd.DataFrame) -> pd.DataFrame:
    """Every arm and what it is held to, fold by fold, seeds averaged.

    Every arm is held to the best floor in hindsight of its set, every method to its control too.
    """
    frame = judged(pd.concat([frame, alone(frame)], ignore_index=True))
    by_fold = frame.groupby(["dataset", "method", "fold"], sort=False)["value"].mean()
    rows = []
    for dataset in dict.fromkeys(frame["dataset"]):
        folds = by_fold[dataset].unstack("fold")
        means = folds.mean(axis=1)
        floor = means[[is_floor(method) for method in means.index]].idxmax()
        pairs = [("best floor", m, floor) for m in folds.index if " alone, " not in m]
        pairs += [("control", m, c) for m, c in CONTROLS.items() if {m, c} <= set(folds.index)]
        for kind, arm, reference in pairs:
            for role, name in (("arm", arm), ("reference", reference)):
                for fold, value in folds.loc[name].items():
                    rows.append((dataset, kind, arm, reference, role, fold, value))
    columns = ["dataset", "kind", "arm", "reference", "method", "fold", "value"]
    return _rounded(pd.DataFrame(rows, columns=columns))


def _rounded(table: pd.DataFrame) -> pd.DataFrame:
    """Six digits, as in the table of measurements."""
    return table.assign(value=[float(f"{value:.6g}") for value in table["value"]])


def show(frame: pd.DataFrame) -> None:
    """Print what the table says."""
    with pd.option_context("display.width", 220, "display.max_rows", 200):
        rows = record(frame)
        for metric in dict.fromkeys(rows["metric"]):
            scale = {"log_loss": (3, 1), "seconds": (1, 1)}.get(metric, (1, 100))
            wide = rows[rows["metric"] == metric].groupby(["method", "dataset"], sort=False)
            print(f"{metric}:")
            cells = wide["value"].agg(mean="mean", sd="std").unstack("dataset").swaplevel(axis=1)
            print(percent(cells[list(dict.fromkeys(rows["dataset"]))], *scale), end="\n\n")
        held = references(frame).pivot(
            index=["kind", "dataset", "reference", "arm", "fold"], columns="method", values="value"
        )
        keys = ["kind", "arm", "dataset", "reference"]
        apart = (100 * (held["arm"] - held["reference"])).groupby(keys, sort=False)
        apart = apart.agg(mean="mean", se="sem")
        for kind in ("best floor", "control"):
            cells = [f"{mean:+.1f} ± {se:.1f}" for mean, se in apart.loc[kind].to_numpy()]
            table = apart.loc[kind].assign(cell=cells)["cell"]
            print(f"Minus the {kind}, standard error over folds:")
            print(table.unstack(["dataset", "reference"] if kind == "best floor" else "dataset"))
            print()


def main() -> None:
    parser = command_line(__doc__.splitlines()[0], DATASETS)
    parser.add_argument("--show", action="store_true", help="only print the tables")
    args = parser.parse_args()
    if args.show:
        _derive(read("accuracy"))
        return

    warnings.simplefilter("ignore", CollapseWarning)
    warnings.simplefilter("ignore", ConvergenceWarning)
    frame = run(
        "accuracy",
        only(arms, args.methods),
        args.datasets,
        range(args.seeds),
        args.jobs,
        stress=stress,
        n_splits=N_SPLITS,
        once=DETERMINISTIC,
    )
    _derive(frame)


def _derive(frame: pd.DataFrame) -> None:
    """Write the tables that follow from the measurements, and print them."""
    write(record(frame), "accuracy_record")
    write(references(frame), "accuracy_references")
    show(frame)


if __name__ == "__main__":
    main()
