"""The experts that an opinion pool has where none are named.

Four kinds, because none is best everywhere: a linear model, two kinds of trees, a kernel. Each
gives the same fit with sample weights as with repeated rows (boosting up to ties between splits,
the kernel machine up to its tolerance), and each is left out, or a cheaper form of it taken, where
its work would not be worth its time. What a fit costs is reckoned (`_cost_model`), not measured.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.special import softmax
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
)
from sklearn.impute import SimpleImputer
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, SVR
from sklearn.utils.validation import has_fit_parameter

from ._cost_model import COMPONENTS, TREES, megabytes, seconds
from ._defaults import requesting_weights
from ._weighted_bins import WeightedBins

#: Boosting grows a tree for every class in every round: with many classes it takes minutes for
#: what a linear model does in a second.
MOST_CLASSES_TO_BOOST = 20

#: On wide blocks boosting takes four fifths of all the time, and the other three do without.
MOST_COLUMNS_TO_BOOST = 100

#: Below, boosted trees and kernels cost accuracy more often than they bring any.
FEWEST_ROWS = 500

#: Reckoned seconds of one fit (there are folds plus one of each) that an expert may take.
LONGEST_FIT = 10.0

#: Weaker linear experts beside the standard one (`C` = 1, `alpha` = 1) on wide blocks: with so many
#: columns, and more than a quarter as many as rows.
WEAKER_C = (0.1, 0.01)
WEAKER_ALPHA = (10.0, 100.0)
FEWEST_WIDE = 50

#: Of a kernel machine: noisier classes than those that were timed take it several times as long.
LONGEST_KERNEL = 3.0

#: Of trees, which are as many as this allows, but not fewer than `FEWEST_TREES`.
LONGEST_TREES = 1.8
FEWEST_TREES = 20

#: 30 rounds of small trees: early enough for no stopping rule to be needed.
BOOSTING: dict[str, Any] = {
    "max_iter": 30,
    "learning_rate": 0.15,
    "max_leaf_nodes": 8,
    "min_samples_leaf": 5,
    "max_features": 0.25,
    "early_stopping": False,
}


class KernelClassifier(SVC):
    """Support vector machine whose margins count as logits.

    The pool learns the temperature that makes probabilities of them, on out-of-fold predictions,
    which is what Platt's scaling would do in a cross-validation of its own.
    """

    def predict_proba(self, X: Any) -> np.ndarray:
        """Softmax of the margins."""
        margins = self.decision_function(X)
        if margins.ndim == 1:
            margins = np.column_stack([-margins, margins])
        return softmax(margins, axis=1)


class KernelRegressor(SVR):
    """Support vector machine of numbers in any unit: `C` and `epsilon` count their spread."""

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> KernelRegressor:
        """Fit to `y` less its mean, over its spread."""
        y = np.asarray(y, dtype=np.float64)
        self.centre_ = np.average(y, weights=sample_weight)
        spread = np.sqrt(np.average((y - self.centre_) ** 2, weights=sample_weight))
        self.spread_ = spread if spread > 0 else 1.0
        return super().fit(X, (y - self.centre_) / self.spread_, sample_weight)

    def predict(self, X: Any) -> np.ndarray:
        """Numbers in the units of `y`."""
        return super().predict(X) * self.spread_ + self.centre_


@dataclass(frozen=True, eq=False)
class Admission:
    """Which experts one block of columns gets.

    Parameters
    ----------
    n_rows, n_columns : int
        Shape of the block.
    n_outputs : int
        Scores that an expert gives a row: 1 of two classes and of numbers.
    random_state : int, RandomState instance or None
        Seed of what is drawn.
    memory_limit : float or None
        Megabytes that a fit may take beside its input.
    megabytes_beside : float
        Megabytes that are taken beside the input whatever is fitted.
    unlimited : bool
        Whether no time is too long: a clock decides.
    incomplete : bool
        Whether rows may lack some of the columns, which are NaN then.

    Attributes
    ----------
    models : dict
        Unfitted estimators by kind.
    seconds : dict of str to float
        Reckoned seconds of a fit, by kind.
    left_out : dict of str to str
        Why a kind is not among them, or not as it would be.
    too_large : dict of str to float
        Megabytes of a fit, by kind, of those that `memory_limit` leaves out.
    """

    n_rows: int
    n_columns: int
    n_outputs: int
    random_state: Any
    memory_limit: float | None = None
    megabytes_beside: float = 0.0
    unlimited: bool = False
    incomplete: bool = False
    models: dict[str, Any] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    too_large: dict[str, float] = field(default_factory=dict)

    @property
    def kinds(self) -> set[str]:
        """What is admitted, at whatever strength."""
        return {kind.partition(",")[0] for kind in self.models}

    @property
    def shape(self) -> tuple[int, int, int]:
        """What costs hang on."""
        return (self.n_rows, self.n_columns, self.n_outputs)

    def admit(self, kind: str, model: Any, longest: float = LONGEST_FIT, **memory: Any) -> bool:
        """Take `model` if a fit costs no more than it may; say so where it does."""
        reckoned_as = kind.partition(",")[0]
        cost = seconds(reckoned_as, *self.shape)
        if cost > longest and not self.unlimited:
            self.left_out[kind] = f"a fit would take about {cost:.3g} s, above {longest:g} s"
            return False
        size = self.megabytes_beside + megabytes(reckoned_as, *self.shape, **memory)
        if self.memory_limit is not None and size > self.memory_limit:
            self.too_large[kind] = size
            self.left_out[kind] = (
                f"a fit would take about {size:.3g} MB, above `memory_limit`={self.memory_limit:g}"
            )
            return False
        self.models[kind], self.seconds[kind] = model, cost
        return True

    def scaled(self, *steps: Any) -> Pipeline:
        """Scaled columns for `steps`; what is missing has the mean of its column."""
        filled = [SimpleImputer(strategy="constant", fill_value=0.0, keep_empty_features=True)]
        return make_pipeline(StandardScaler(), *(filled if self.incomplete else []), *steps)

    def n_trees(self) -> int:
        """How many trees are worth their time."""
        if self.unlimited:
            return TREES
        affordable = TREES * LONGEST_TREES / max(seconds("trees", *self.shape), 1e-9)
        return int(min(TREES, max(FEWEST_TREES, affordable)))

    def admit_linear(self, standard: Any, weaker: dict[str, Any]) -> None:
        """Take a linear model, on a wide block weaker ones beside it, however long they take."""
        wide = self.n_columns >= FEWEST_WIDE and 4 * self.n_columns > self.n_rows
        for kind, model in {"linear": standard, **(weaker if wide else {})}.items():
            self.admit(kind, self.scaled(model), np.inf)

    def admit_trees(self, model: Any) -> None:
        """Take trees, as many as are worth their time."""
        n_trees = self.n_trees()
        model.set_params(n_estimators=n_trees)
        longest = np.inf if n_trees < TREES else LONGEST_FIT
        if self.admit("trees", model, longest, n_trees=n_trees):
            if n_trees < TREES:
                self.left_out["trees"] = (
                    f"{n_trees} trees: a fit of {TREES} would take about "
                    f"{self.seconds['trees']:.3g} s, above {LONGEST_TREES:g} s"
                )
            self.seconds["trees"] *= n_trees / TREES

    def admit_boosting(self, boosted: Any) -> None:
        """Take boosting, unless columns or classes are too many for it to be worth its time."""
        counts = [
            ("columns", self.n_columns, MOST_COLUMNS_TO_BOOST),
            ("classes or labels", self.n_outputs, MOST_CLASSES_TO_BOOST),
        ]
        beyond = [f"{many} {what}, above {most}" for what, many, most in counts if many > most]
        if beyond:
            self.left_out["boosting"] = f"it would take too long with {' and '.join(beyond)}"
        else:
            self.admit("boosting", make_pipeline(WeightedBins(), boosted))

    def admit_kernel(self, kernel: Any, rough: Any) -> None:
        """Take a kernel machine, or where it would take too long an approximation of it.

        A clock gets both there: it tries the approximation first, and may have no time for more.
        """
        admitted = self.admit("kernel", kernel, LONGEST_KERNEL)
        if admitted and self.seconds["kernel"] <= LONGEST_KERNEL:
            return
        if self.admit("rough kernel", rough) and not admitted:
            self.left_out["kernel"] += '; "rough kernel" approximates it'


def auto_classifiers(
    n_samples: int, n_features: int, n_classes: int, random_state: Any, **limits: Any
) -> Admission:
    """Unfitted classifiers for one block of columns."""
    n_outputs = 1 if n_classes == 2 else n_classes
    found = Admission(n_samples, n_features, n_outputs, random_state, **limits)
    found.admit_linear(
        LogisticRegression(max_iter=1000),
        {f"linear, C={C:g}": LogisticRegression(C=C, max_iter=1000) for C in WEAKER_C},
    )
    # No bootstrap (the default): a drawn row would not be a row of weight 2.
    found.admit_trees(ExtraTreesClassifier(random_state=random_state))
    enough = n_samples >= FEWEST_ROWS
    if enough:
        found.admit_boosting(HistGradientBoostingClassifier(**BOOSTING, random_state=random_state))
        # gamma = 1 / n_features: "scale" would look at the variance without the weights.
        kernel = found.scaled(KernelClassifier(gamma="auto"))
        mapped = rough_kernel(n_features, random_state)
        found.admit_kernel(kernel, found.scaled(mapped, LogisticRegression(max_iter=1000)))
    return _all_requesting_weights(found)


def auto_regressors(n_samples: int, n_features: int, random_state: Any, **limits: Any) -> Admission:
    """Unfitted regressors for one block of columns."""
    found = Admission(n_samples, n_features, 1, random_state, **limits)
    found.admit_linear(Ridge(), {f"linear, alpha={a:g}": Ridge(a) for a in WEAKER_ALPHA})
    found.admit_trees(ExtraTreesRegressor(random_state=random_state))
    if n_samples >= FEWEST_ROWS:
        found.admit_boosting(HistGradientBoostingRegressor(**BOOSTING, random_state=random_state))
        kernel = found.scaled(KernelRegressor(gamma="auto"))
        found.admit_kernel(kernel, found.scaled(rough_kernel(n_features, random_state), Ridge()))
    return _all_requesting_weights(found)


def rough_kernel(n_features: int, random_state: Any) -> Nystroem:
    """The same kernel by way of some rows, for a linear model on it."""
    return Nystroem(gamma=1.0 / n_features, n_components=COMPONENTS, random_state=random_state)


def _all_requesting_weights(found: Admission) -> Admission:
    for model in found.models.values():
        for _, step in model.steps if isinstance(model, Pipeline) else [("", model)]:
            if has_fit_parameter(step, "sample_weight"):
                requesting_weights(step)
    return found
