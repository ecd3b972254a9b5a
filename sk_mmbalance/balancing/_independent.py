"""`Independent`: a network per modality, and the mean of what they say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from ..networks import Batch, MultimodalOutput, mean_criterion, total
from ._base import Balancing
from ._evidence import mean_over
from ._protocol import Net


@dataclass(kw_only=True, eq=False, repr=False)
class Independent(Balancing):
    """Independent networks: each modality learns by its own loss alone, and logits are averaged.

    No modality can starve another, for none knows of another: the simplest remedy there is, and a
    baseline that every balancing method should be held to.

    Its control is the same network, trained by the loss of the mean.

    Notes
    -----
    The fusion is "late", with weights of the modalities if given (`fusion_weights`), and there is
    no loss of the fused prediction (``unimodal_weight="auto"`` or 0). Each modality's loss is the
    mean over the rows of a batch that have it. Networks share batches, learning rate, and the epoch
    that early stopping, which watches the fused prediction, goes back to; `LateFusionClassifier`
    trains estimators apart in everything. Any kind of target and any number of modalities will do;
    with one modality this is plain training. Remixed batches have the losses of remixing.

    Examples
    --------
    >>> from sk_mmbalance import MultimodalClassifier
    >>> from sk_mmbalance.balancing import Independent
    >>> from sk_mmbalance.datasets import load_digits_views
    >>> X, y = load_digits_views(return_X_y=True)
    >>> clf = MultimodalClassifier(balancing=Independent(), max_epochs=5, random_state=0)
    >>> bool(clf.fit(X[:900], y[:900]).score(X[900:], y[900:]) > 0.7)
    True
    """

    _fusion: ClassVar[str] = "late"
    _fusions: ClassVar[frozenset[str] | None] = frozenset({"late"})
    _unimodal_weight: ClassVar[float] = 0.0
    _other_unimodal_weights: ClassVar[str] = "none"
    _stacks: ClassVar[bool] = True

    def needs_own_logits(self, net: Net) -> bool:
        """They are all that is trained."""
        return True

    def replaces_loss(self, net: Net) -> bool:
        """By the sum of the modalities' own."""
        return True

    def loss(self, net: Net, output: MultimodalOutput, batch: Batch, loss: Tensor) -> Tensor:
        """The sum of the modalities' losses, in place of the fused one."""
        X, y = batch
        weight, present = X.get("weight"), X.get("present")
        losses = {}
        for name, z in output.unimodal.items():
            if present is None:
                losses[name] = mean_criterion(net.criterion_, z, y, weight)
            else:
                losses[name] = mean_over(net.criterion_(z, y), weight, present[name])
        return total(losses)
