"""Joint training, the baseline of every balancing method: for classes, labels and numbers."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, ClassVar

from ..base import CLASSES, LABELS
from ._choices import BalancingChoice
from ._classifier import BaseMultimodalClassifier
from ._regressor import BaseMultimodalRegressor


@dataclass(kw_only=True, eq=False, repr=False)
class MultimodalClassifier(BalancingChoice, BaseMultimodalClassifier):
    """A network per modality, fused and trained jointly, for classes or several labels a row.

    The baseline of the balancing methods: one cross-entropy on the fused prediction, and one more
    per modality unless ``unimodal_weight=0``, which is plain joint training. Plainly trained, a
    strong modality learns fast and may starve the weak ones; ``history_`` and
    `unimodal_predict_proba` show by how much.

    Where early stopping holds rows out (by default from 250 rows on), what predicts is a convex
    pool of the fused classifier and the modalities' own, with weights fitted on those rows:
    ``fusion_weights=None`` takes the fused classifier alone.

    Parameters
    ----------
    fusion : {"concat", "sum", "late", "gated", "film", "transformer"}, type or torch.nn.Module, \
default="auto"
        How embeddings become class logits. "auto" is what `balancing` asks for, and "concat"
        without.

        - "concat": a linear layer on the concatenated embeddings;
        - "sum": a linear layer on their sum;
        - "late": the mean of one linear head's *logits* per modality, over the modalities present;
        - "gated": gates that weigh the modalities feature by feature (gated multimodal unit);
        - "film": each embedding is scaled and shifted by what the others say;
        - "transformer": attention over one token per modality, missing ones masked out.

        A module of your own is called with a dict of embeddings and a dict of presence masks (or
        None) and returns logits; a class is built with ``(dims, n_classes)``.
    unimodal_weight : float or "auto", default="auto"
        Weight of the sum of the modalities' own cross-entropies, from a linear head on each
        embedding ("late" has these heads already). 0 trains no such heads: plain joint training.
        "auto" is what `balancing` asks for, and 1 without: that had the least held-out loss over
        six real data sets, by more than a quarter against 0.
    balancing : Balancing, default=None
        A balancing method, such as ``OGM()``: see `sk_mmbalance.balancing`. None trains without.

    Attributes
    ----------
    balancing_ : Bunch or None
        What the balancing method has to say after training, where it has.

    See Also
    --------
    sk_mmbalance.balancing : Methods that keep a strong modality from starving the weak ones.
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

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseMultimodalClassifier._parameter_constraints,
        **BalancingChoice._choice_constraints,
    }
    _kinds: ClassVar[Collection[str]] = (CLASSES, LABELS)


@dataclass(kw_only=True, eq=False, repr=False)
class MultimodalRegressor(BalancingChoice, BaseMultimodalRegressor):
    """A network per modality, fused and trained jointly, for one or several numbers a row.

    The regressor beside `MultimodalClassifier`: one loss on the fused prediction, and one more per
    modality unless ``unimodal_weight=0``.

    Parameters
    ----------
    fusion : {"concat", "sum", "late", "gated", "film", "transformer"}, type or torch.nn.Module, \
default="auto"
        How embeddings become numbers; see `MultimodalClassifier`.
    unimodal_weight : float or "auto", default="auto"
        Weight of the sum of the modalities' own losses, from a linear head on each embedding
        ("late" has these heads already). 0 trains no such heads. "auto" is what `balancing` asks
        for, and 1 without.
    balancing : Balancing, default=None
        A balancing method that numbers can carry, such as ``OGM()``: see
        `sk_mmbalance.balancing`. None trains without.

    Attributes
    ----------
    balancing_ : Bunch or None
        What the balancing method has to say after training, where it has.

    See Also
    --------
    sk_mmbalance.LateFusionRegressor : One scikit-learn regressor per modality.
    sk_mmbalance.MultimodalClassifier : For classes and labels.

    Notes
    -----
    Numbers are standardised inside, by the weighted mean and spread of the rows trained on, and
    given back in the units of `y`. Fusion weights are not fitted for numbers.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sk_mmbalance import Modalities, MultimodalRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> X = 20 * X  # to features of about 1
    >>> X = Modalities(body=X[:, :4], blood=X[:, 4:])
    >>> model = MultimodalRegressor(max_epochs=20, random_state=0).fit(X[:300], y[:300])
    >>> bool(model.score(X[300:], y[300:]) > 0.4)
    True
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseMultimodalRegressor._parameter_constraints,
        **BalancingChoice._choice_constraints,
    }
