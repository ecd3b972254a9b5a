"""`MultimodalClassifier`: plain joint training, the baseline of every balancing method."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real
from typing import Any, ClassVar

import torch
from sklearn.utils._param_validation import Interval, StrOptions
from torch import nn

from .classifier import BaseMultimodalClassifier
from .fusion_weights import WEIGHTS_CONSTRAINTS, check_fusion_weights
from .fusions import FUSIONS, LateFusion
from .module import MultimodalModule


@dataclass(kw_only=True, eq=False, repr=False)
class MultimodalClassifier(BaseMultimodalClassifier):
    """A network per modality, fused and trained jointly.

    This is the plain baseline: one cross-entropy on the fused prediction, optionally one more per
    modality. Jointly trained, a strong modality learns fast and may starve the weak ones;
    ``history_`` and `unimodal_predict_proba` show by how much.

    Parameters
    ----------
    fusion : {"concat", "sum", "late", "gated", "film", "transformer"}, type or torch.nn.Module, \
default="concat"
        How embeddings become class logits.

        - "concat": a linear layer on the concatenated embeddings;
        - "sum": a linear layer on their sum;
        - "late": the mean of one linear head's *logits* per modality, over the modalities present;
        - "gated": gates that weigh the modalities feature by feature (gated multimodal unit);
        - "film": each embedding is scaled and shifted by what the others say;
        - "transformer": attention over one token per modality, missing ones masked out.

        A module of your own is called with a dict of embeddings and a dict of presence masks (or
        None) and returns logits; a class is built with ``(dims, n_classes)``.
    unimodal_weight : float, default=0.0
        Weight of the sum of the modalities' own cross-entropies, from a linear head on each
        embedding ("late" has these heads already). 0 trains no such heads.
    fusion_weights : dict of str to float, "fit" or None, default=None
        Weight of each modality in the mean of logits (``fusion="late"`` only). None weighs them
        equally. "fit" trains with equal weights and then fits a weight of at least 0 for each
        modality, share and inverse temperature in one, by the convex opinion pool: on the held-out
        part of early stopping, or by cross-fitting (see `cv`).
    cv : int, cross-validation generator or iterable, default=None
        For ``fusion_weights="fit"``: the splits on which networks are trained anew to predict the
        rows that the weights are fitted on. None takes the held-out part of early stopping, which
        costs nothing more, and five folds where nothing is held out. Not looked at otherwise.

    Attributes
    ----------
    fusion_weights_ : dict of str to float
        Weights of the modalities in force, for ``fusion="late"``. They sum to 1 unless they were
        fitted: the sum is then an inverse temperature.

    See Also
    --------
    sk_mmbalance.LateFusionClassifier : One scikit-learn classifier per modality.

    References
    ----------
    .. [1] Wang, Tran, Feiszli, "What Makes Training Multi-Modal Classification Networks Hard?",
       CVPR 2020: why joint training can do worse than the best modality alone.

    Examples
    --------
    >>> from sk_mmbalance import MultimodalClassifier
    >>> from sk_mmbalance.datasets import load_digits_views
    >>> X, y = load_digits_views(return_X_y=True)
    >>> clf = MultimodalClassifier(max_epochs=5, early_stopping=False, random_state=0)
    >>> bool(clf.fit(X[:1000], y[:1000]).score(X[1000:], y[1000:]) > 0.7)
    True
    """

    fusion: Any = "concat"
    unimodal_weight: float = 0.0
    fusion_weights: Any = None
    cv: Any = None

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseMultimodalClassifier._parameter_constraints,
        "fusion": [StrOptions(set(FUSIONS)), type, nn.Module],
        "unimodal_weight": [Interval(Real, 0, None, closed="left")],
        **WEIGHTS_CONSTRAINTS,
    }

    def _net_options(self) -> dict[str, Any]:
        return {"unimodal_weight": self.unimodal_weight}

    def _fusion(self) -> tuple[Any, dict[str, Any]]:
        return self.fusion, {"weights": self.fusion_weights}

    def _make_module(
        self, shapes: dict[str, tuple[int, ...]], n_classes: int, dtype: torch.dtype
    ) -> MultimodalModule:
        check_fusion_weights(self.fusion_weights, shapes)
        module = super()._make_module(shapes, n_classes, dtype)
        weighs = isinstance(module.fusion, LateFusion) and not isinstance(self.fusion, nn.Module)
        if self.fusion_weights is not None and not weighs:
            raise ValueError(
                f"`fusion_weights` weighs the logits of single modalities, which the fusion of "
                f"`fusion={self.fusion!r}` is not made of. Use fusion='late', or "
                "fusion_weights=None."
            )
        return module

    def _with_heads(self) -> bool:
        return self.unimodal_weight > 0
