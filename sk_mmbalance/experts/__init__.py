"""Experts: estimators on some of the modalities, fitted, cross-fitted and asked.

An expert is an estimator and the modalities it sees (`NamedExpert`); fitted, it answers for every
row and every class, label or column (`Expert`). What is the same wherever experts are used:

- **Unseen classes.** A class that an expert did not meet in training keeps its prior, the share of
  weight that it has among all training rows; what the expert says of the others shares the rest. An
  expert that met a single class, or a label without variation, answers with the prior.
- **Rows without its modalities** get the prior too; of numbers, that is their weighted mean.
- **Weights** that an expert cannot use are a `TypeError`.
- **Groups** go to estimators whose `fit` takes them.
- **Modalities.** Estimators of this package get `Modalities`, and so do pipelines that start with
  one, and searches, calibrations and ensembles that wrap one. All others get one table with the
  modalities side by side in the order of their names, and so do those of this package that have
  columns to cut out of a flat table (``modalities=``).
- **Several labels or columns** go to the estimator as they are if it declares to take them
  (``multi_label``, ``multi_output``); otherwise it is fitted to each.
"""

from ._auto_experts import Admission, auto_classifiers, auto_regressors, rough_kernel
from ._cost_model import megabytes, seconds, terms
from ._cross_fit import OutOfFold, cross_fit, cross_fit_parts, cross_scores
from ._defaults import MAX_ITER, default_classifier, default_regressor, requesting_weights
from ._expert import Expert, align_classes, answers, classes_of
from ._fitting import fit_expert, fit_experts, prefit_expert, refuse_unused_weights
from ._named import NamedExpert, takes_names, why_no_estimator
from ._pace import Pace
from ._progress import bar_over_fits, say
from ._tables import Tables, side_by_side
from ._weighted_bins import WeightedBins

__all__ = [
    "MAX_ITER",
    "Admission",
    "Expert",
    "NamedExpert",
    "OutOfFold",
    "Pace",
    "Tables",
    "WeightedBins",
    "align_classes",
    "answers",
    "auto_classifiers",
    "auto_regressors",
    "bar_over_fits",
    "classes_of",
    "cross_fit",
    "cross_fit_parts",
    "cross_scores",
    "default_classifier",
    "default_regressor",
    "fit_expert",
    "fit_experts",
    "megabytes",
    "prefit_expert",
    "refuse_unused_weights",
    "requesting_weights",
    "rough_kernel",
    "say",
    "seconds",
    "side_by_side",
    "takes_names",
    "terms",
    "why_no_estimator",
]
