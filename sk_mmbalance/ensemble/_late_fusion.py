"""`LateFusionClassifier`: one classifier per modality, fused by their probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..base import LABELS, Target
from ._base import ExpertsClassifier
from ._fusion import as_two_classes, best_weights, pool, pool_labels
from ._late_fusion_base import LateFusion


class LateFusionClassifier(LateFusion, ExpertsClassifier):
    """One scikit-learn classifier per modality, fused by their probabilities.

    The second baseline under any joint training: modalities cannot starve one another, because they
    never meet before their probabilities do.

    With probabilities ``p_m`` and weights ``w_m`` of the modalities that a row has, renormalised
    to sum to 1 over these, the rules are

    - "mean": ``p = sum_m w_m p_m`` (linear opinion pool);
    - "product": ``p`` proportional to ``prod_m p_m ** w_m`` (logarithmic opinion pool [1]_);
    - "stacking": logistic regression on ``log p_m - log prior`` of all modalities and classes
      (0 for a modality that the row lacks: no evidence), fitted on out-of-fold probabilities [2]_.

    Every classifier is fitted on the rows that have its modality.

    Parameters
    ----------
    estimator : classifier or dict of str to classifier, default=None
        Classifier with `predict_proba`, or one for each modality. None is logistic regression.
        Images and sequences are flattened, unless the classifier declares to take arrays of three
        dimensions.
    weights : {"uniform", "cv"}, dict of str to float or array-like, default="uniform"
        Weights of the modalities, by name or in the order of sorted names; they need not sum
        to 1. "cv" minimises the log-loss of the fused out-of-fold probabilities (weighted by
        `sample_weight`) over all weights that are not negative and sum to 1, by SLSQP. With
        ``rule="stacking"`` the weights are learnt in any case and "uniform" must be left.
    rule : {"mean", "product", "stacking"}, default="mean"
        How probabilities are fused.
    cv : int, splitter or iterable of (train, test), default=5
        Cross-validation for ``weights="cv"`` and ``rule="stacking"``. A number of folds is
        stratified, keeps groups together if `groups` are given to `fit`, and is lowered to the size
        of the largest class.
    modalities : dict of str to columns, default=None
        Column blocks of a flat table. None takes a flat table for one modality named ``"X"``.
    missing : {"error", "mask"}, default="error"
        Whether rows may lack a modality.
    n_jobs : int, default=None
        Number of fits run in parallel.
    verbose : int, default=0
        1 shows a bar over the cross-validated fits, and a line of what was learnt at the end.
    random_state : int, RandomState instance or None, default=None
        Seed of the folds, where a number of them is cut from shuffled rows too (see
        `row_order_`).

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels; of several labels a row, their numbers.
    estimators_ : dict of str to classifier
        Fitted classifier of each modality.
    weights_ : dict of str to float or None
        Weight of each modality, summing to 1; None with ``rule="stacking"``.
    stacker_ : LogisticRegression, list of LogisticRegression or None
        The fusion of ``rule="stacking"``, where there is more than one modality. With several
        labels a row one for each label (None for a label that does not vary).
    best_modality_ : str or None
        Modality with the highest score in `scores_`; None if nothing was cross-validated.
    scores_ : dict of str to float
        Out-of-fold accuracy of each modality (of all labels of a row at once), weighted by
        `sample_weight`; empty if nothing was cross-validated.
    row_order_ : dict
        How folds were cut: "folds" is "in order", "both" (in order, and from shuffled rows; a row
        counts half under each), "by group" or "as given". Where it was looked whether rows
        resemble their neighbours, also `loss_in_order` and `loss_shuffled`, what a few trees lose
        out of fold under both, as shares of what the mean loses, and the `interval` of their
        difference. Empty if nothing was cross-validated.
    modality_names_ : list of str
        Modalities seen in `fit`, sorted.
    modality_shapes_ : dict of str to tuple of int
        Shape of one sample of each modality.
    n_features_in_ : int
        Number of columns in all.
    feature_names_in_ : ndarray of str
        Column names, where every modality has some.

    See Also
    --------
    UnimodalClassifier : The best single modality.
    LateFusionRegressor : The same for numbers.

    Notes
    -----
    A class that was not among a modality's rows keeps its prior probability there. The smallest
    probability a logarithm sees is the machine epsilon, so that no classifier vetoes the others.
    With "cv" a modality gets at least 1e-6, because a row may have no other. If all modalities
    that a row has weigh 0, they count alike. With a single modality nothing is cross-validated
    and its probabilities are given as they are.

    `y` may be an indicator matrix, of several labels a row. A classifier that does not declare
    ``multi_label`` is then fitted once for each label, and each label is fused by itself: by the
    same weights of the modalities ("cv" minimises the log-loss of all labels), or by a stacker of
    its own. `predict_proba` has a column for each label.

    Learning the fusion costs data: where groups are few and unlike one another, "cv" and
    "stacking" can do worse on a new group than equal weights, and "stacking" is then sure of its
    errors. Compare them.

    References
    ----------
    .. [1] C. Genest, J. V. Zidek, "Combining Probability Distributions: A Critique and an
       Annotated Bibliography", Statistical Science 1(1), 1986.
    .. [2] D. H. Wolpert, "Stacked Generalization", Neural Networks 5(2), 1992.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_mmbalance import LateFusionClassifier, Modalities
    >>> rng = np.random.default_rng(0)
    >>> y = np.repeat([0, 1], 100)
    >>> X = Modalities(
    ...     face=y[:, None] + rng.normal(0, 0.5, (200, 2)), voice=y + rng.normal(0, 1, 200)
    ... )
    >>> model = LateFusionClassifier(weights="cv").fit(X, y)
    >>> model.best_modality_, round(model.score(X, y), 2)
    ('face', 0.89)
    """

    _rules = ("mean", "product", "stacking")

    def fit(
        self, X: Any, y: Any, sample_weight: Any = None, groups: Any = None
    ) -> LateFusionClassifier:
        """Fit the classifiers, and the weights if they are to be learnt.

        Parameters
        ----------
        X : Modalities, dict, DataFrame or array-like
            Multimodal input.
        y : array-like of shape (n_samples,) or (n_samples, n_labels)
            Class labels, or an indicator matrix of several labels a row.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights, for all fits.
        groups : array-like of shape (n_samples,), default=None
            Rows of the same group are never divided between training and test part.

        Returns
        -------
        self : LateFusionClassifier
            The fitted classifier.

        Raises
        ------
        ValueError
            If `weights` or `rule` are not understood, or input cannot be used.
        TypeError
            If `estimator` is no classifier with probabilities, or does not take `sample_weight`.
        """
        self._fit(X, y, sample_weight, groups)
        return self

    def predict_proba(self, X: Any) -> np.ndarray:
        """Predict class probabilities.

        Parameters
        ----------
        X : Modalities, dict, DataFrame or array-like
            Multimodal input.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes) or (n_samples, n_labels)
            Fused probabilities of the modalities that each row has.
        """
        return self._fused(self._read_new(X))

    def _score_of(
        self, target: Target, answers: np.ndarray, y: np.ndarray, weight: np.ndarray | None
    ) -> float:
        hit = target.choose(answers) == target.labels(y)
        if target.kind == LABELS:
            hit = hit.all(axis=1)
        return float(np.average(hit, weights=weight))

    def _learn_weights(
        self,
        target: Target,
        answers: np.ndarray,
        present: np.ndarray,
        y: np.ndarray,
        weight: np.ndarray | None,
    ) -> np.ndarray:
        probas = list(answers)
        if target.kind == LABELS:
            probas, present = as_two_classes(probas, present)
            weight = None if weight is None else np.repeat(weight, y.shape[1])
            y = y.astype(np.intp).ravel()
        return best_weights(probas, present, y, weight, self.rule)

    def _fuse(
        self,
        target: Target,
        answers: Sequence[np.ndarray],
        present: np.ndarray,
        weights: np.ndarray,
    ) -> np.ndarray:
        fuse = pool_labels if target.kind == LABELS else pool
        return fuse(list(answers), present, weights, self.rule)
