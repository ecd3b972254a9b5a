"""`MultimodalClassifier`: joint training, the baseline of every balancing method."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Any, ClassVar

from sklearn.utils._param_validation import Interval, StrOptions
from torch import nn

from ..networks import FUSIONS
from .classifier import BaseMultimodalClassifier


@dataclass(kw_only=True, eq=False, repr=False)
class MultimodalClassifier(BaseMultimodalClassifier):
    """A network per modality, fused and trained jointly.

    The baseline of the balancing methods: one cross-entropy on the fused prediction, and one more
    per modality unless ``unimodal_weight=0``, which is plain joint training. Plainly trained, a
    strong modality learns fast and may starve the weak ones; ``history_`` and
    `unimodal_predict_proba` show by how much.

    Where early stopping holds rows out (by default from 1000 rows on), what predicts is a convex
    pool of the fused classifier and the modalities' own, with weights fitted on those rows:
    ``fusion_weights=None`` takes the fused classifier alone.

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
    unimodal_weight : float, default=1.0
        Weight of the sum of the modalities' own cross-entropies, from a linear head on each
        embedding ("late" has these heads already). 0 trains no such heads: plain joint training.
        The default had the least held-out loss over six real data sets, by more than a quarter
        against 0.

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
    unimodal_weight: float = 1.0

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseMultimodalClassifier._parameter_constraints,
        "fusion": [StrOptions(set(FUSIONS)), type, nn.Module],
        "unimodal_weight": [Interval(Real, 0, None, closed="left")],
    }

    def _net_options(self) -> dict[str, Any]:
        return {"unimodal_weight": self.unimodal_weight}

    def _fusion(self) -> tuple[Any, dict[str, Any]]:
        if isinstance(self.fusion_weights, Mapping) and self.fusion != "late":
            raise ValueError(
                "`fusion_weights` as a dict are weights of `fusion='late'`; got "
                f"`fusion={self.fusion!r}`. Weights of a fused classifier and its modalities are "
                "fitted: fusion_weights='fit'."
            )
        return self.fusion, {"weights": self._late_weights()} if self.fusion == "late" else {}

    def _with_heads(self) -> bool:
        return self.unimodal_weight > 0
