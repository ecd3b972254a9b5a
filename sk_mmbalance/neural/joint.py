"""`MultimodalClassifier`: joint training, the baseline of every balancing method."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real
from typing import Any, ClassVar

from sklearn.utils import Bunch
from sklearn.utils._param_validation import Interval, StrOptions
from torch import nn

from ..balancing import Balancing
from ..networks import FUSIONS
from .classifier import BaseMultimodalClassifier


@dataclass(kw_only=True, eq=False, repr=False)
class FusionClassifier(BaseMultimodalClassifier):
    """Base of the estimators whose fusion and loss per modality are the user's choice."""

    fusion: Any = "auto"
    unimodal_weight: Any = "auto"

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseMultimodalClassifier._parameter_constraints,
        "fusion": [StrOptions({*FUSIONS, "auto"}), type, nn.Module],
        "unimodal_weight": [Interval(Real, 0, None, closed="left"), StrOptions({"auto"})],
    }

    def _side(self) -> tuple[Any, float]:
        """Return fusion and `unimodal_weight`, "auto" resolved and refused where they clash."""
        value = self._value() or Balancing()
        value.check_side(self.fusion, self.unimodal_weight)
        fusion, weight = self.fusion, self.unimodal_weight
        return (
            value._fusion if isinstance(fusion, str) and fusion == "auto" else fusion,
            value._unimodal_weight if weight == "auto" else weight,
        )


@dataclass(kw_only=True, eq=False, repr=False)
class MultimodalClassifier(FusionClassifier):
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

    balancing: Any = None

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **FusionClassifier._parameter_constraints,
        "balancing": [Balancing, None],
    }

    def set_params(self, **params: Any) -> Any:
        """Set parameters; those of the balancing method as ``balancing__alpha``.

        Parameters
        ----------
        **params : dict
            Parameters of the estimator, and of what it holds.

        Returns
        -------
        self
            The estimator.
        """
        nested = [name for name in params if name.startswith("balancing__")]
        if nested and params.get("balancing", self.balancing) is None:
            raise ValueError(
                f"`balancing` is None, which has no parameters such as `{nested[0]}`. Set a method "
                "with it (balancing=OGM()); a search over several methods takes a list of grids, "
                "with the method in each: [{'balancing': [None]}, {'balancing': [OGM()], "
                "'balancing__alpha': [0.1, 0.3]}]."
            )
        return super().set_params(**params)

    def _value(self) -> Balancing | None:
        return self.balancing

    def _said_by_methods(self, said: dict[str, Any]) -> dict[str, Any]:
        return {"balancing_": Bunch(**said) if said else None}
