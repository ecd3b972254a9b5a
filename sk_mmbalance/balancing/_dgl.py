"""`DGL`: encoders learn from their own losses, the fusion from the fused one, and neither more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor

from .._sklearn import StrOptions
from ..networks import Batch, MultimodalOutput, fused_alone
from ._base import Balancing
from ._passes import encode, fuse, wide
from ._protocol import Net


@dataclass(kw_only=True, eq=False, repr=False)
class DGL(Balancing):
    r"""Decoupled gradient learning: the fused loss does not reach the encoders.

    The fusion learns from the loss of the fused prediction on embeddings as they are; an encoder
    learns from the loss of its modality alone. No encoder is starved by a stronger one, and the
    fusion is trained along with them in one run.

    Parameters
    ----------
    own_logits : {"heads", "share"}, default="heads"
        Whose prediction an encoder learns from: a classifier of its modality, trained with it, or
        (published) the fusion with the other modalities masked and its weights held fixed.

    Notes
    -----
    The weight of the encoders' losses is `unimodal_weight`, which must be above 0: a learning rate
    of theirs under SGD, and nothing at all under Adam. Any fusion, kind of target and number of
    modalities will do; "share" has no classifiers of single modalities, and asks the fusion once
    for each of them. With one modality this is plain training. The authors also clip gradients, at
    a norm of 40. ``history_`` has ``face__train_loss``, which is all that the face's encoder learns
    from.

    References
    ----------
    .. [1] Wei, Luo, Luo, "Boosting Multimodal Learning via Disentangled Gradient Learning",
       ICCV 2025, arXiv 2507.10213.

    Examples
    --------
    >>> from sk_mmbalance import MultimodalClassifier
    >>> from sk_mmbalance.balancing import DGL
    >>> from sk_mmbalance.datasets import load_digits_views
    >>> X, y = load_digits_views(return_X_y=True)
    >>> clf = MultimodalClassifier(balancing=DGL(), max_epochs=5, random_state=0)
    >>> bool(clf.fit(X[:900], y[:900]).score(X[900:], y[900:]) > 0.7)
    True
    """

    own_logits: str = "heads"

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "own_logits": [StrOptions({"heads", "share"})],
    }
    _published: ClassVar[Mapping[str, Any]] = {"own_logits": "share"}
    _published_side: ClassVar[Mapping[str, Any]] = {"optimizer": "sgd", "unimodal_weight": 4.0}
    _other_unimodal_weights: ClassVar[str] = "positive"
    _fixed: ClassVar[frozenset[str]] = frozenset({"own_logits"})
    _stacks: ClassVar[bool] = True

    def check_net(self, net: Net) -> None:
        """Refuse an optimiser that searches along one loss."""
        self._refuse_closure(net)

    def wants_heads(self, wanted: bool) -> bool:
        """Heads, unless the fusion is asked with the other modalities masked."""
        return wanted and self.own_logits == "heads"

    def gives_own_logits(self, module: Any) -> bool:
        """Those of the masked fusion."""
        return self.own_logits == "share" and len(module.names) > 1

    def forward(self, net: Net, batch: Batch, unimodal: bool) -> MultimodalOutput | None:
        """Fused logits without gradient to the encoders, and the modalities' own."""
        if len(net.network.names) == 1:
            return None
        X, _ = batch
        embeddings = encode(net, X)
        cut = {name: u.detach() for name, u in embeddings.items()}
        fused = fuse(net, cut, X.get("present"), unimodal=False)
        return MultimodalOutput(fused.logits, self._own(net, embeddings), embeddings)

    def _own(self, net: Net, embeddings: dict[str, Tensor]) -> dict[str, Tensor]:
        network: Any = net.network
        with net.autocast():
            if self.own_logits == "share":
                own = fused_alone(network.fusion, embeddings)
            elif network.heads is None:  # a late fusion is made of heads
                own = network.fusion.terms(embeddings)
            else:
                own = {name: network.heads[name](u) for name, u in embeddings.items()}
        return wide(net, own)
