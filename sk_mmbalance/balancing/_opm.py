"""`OPM`: rows lose the modality that is ahead (on-the-fly prediction modulation)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from .._sklearn import Interval, StrOptions
from ..networks import Batch, MultimodalOutput, mix_seeds
from ._base import Balancing
from ._evidence import credits_of, mean_credits, own_logits, rows_having
from ._modality_dropout import dropped, share_lost, survivors
from ._passes import encode, fuse
from ._protocol import Net

#: Fusions of which a larger embedding makes up for one that is not there.
RESCALED = frozenset({"auto", "concat", "sum"})


@dataclass(kw_only=True, eq=False, repr=False)
class OPM(Balancing):
    r"""On-the-fly prediction modulation.

    In a batch, a modality whose credit is :math:`r_m > 1` times the mean of the others' is dropped
    from a row with probability :math:`q_m = q (1 + \lambda \tanh(r_m - 1))`, so that the fusion
    must make use of the others.

    Parameters
    ----------
    drop_base : float, default=0.5
        Probability :math:`q` with which a row loses a modality that is just ahead.
    drop_gain : float, default=0.5
        How much :math:`\lambda` the probability grows with the lead.
    drop_probability : float, default=0.7
        Share of the batches in which anything is dropped.
    drops : {"ahead", "any"}, default="ahead"
        "any" drops every modality with the mean of these probabilities: the control.
    rescale : bool, default=False
        Whether embeddings that are kept are enlarged by what is dropped on average (published). It
        is for the fusions "concat" and "sum", and makes up for the modality that is never dropped
        too.
    own_logits : {"heads", "share"}, default="heads"
        Where a modality's credit comes from: its own classifier where one is trained, or
        (published) its part of the fused classifier.
    unit : {"row", "batch"}, default="row"
        What is drawn for: each row by itself, or all rows of the batch together.
    start_epoch, stop_epoch : int, default=6, None
        First epoch with drops, and the first without again; None goes on to the end.

    Notes
    -----
    A modality that is dropped is missing, as in the fusion of rows that lack it; losses of single
    modalities see every row. A row never loses all: it keeps the one that is least ahead (in the
    released code such a row leaves the loss). Any fusion, kind of target and number of modalities
    will do; the form for more than two is ours. With one modality this is plain training.
    ``history_`` gets ``face__score`` and ``face__dropped``, means over the batches with drops.

    References
    ----------
    .. [1] Wei, Hu, Du, Wen, "On-the-fly Modulation for Balanced Multimodal Learning", IEEE
       Transactions on Pattern Analysis and Machine Intelligence, 2024.

    Examples
    --------
    >>> from sk_mmbalance import MultimodalClassifier
    >>> from sk_mmbalance.balancing import OPM
    >>> from sk_mmbalance.datasets import load_digits_views
    >>> X, y = load_digits_views(return_X_y=True)
    >>> clf = MultimodalClassifier(balancing=OPM(start_epoch=1), max_epochs=5, random_state=0)
    >>> bool(clf.fit(X[:900], y[:900]).score(X[900:], y[900:]) > 0.7)
    True
    """

    drop_base: float = 0.5
    drop_gain: float = 0.5
    drop_probability: float = 0.7
    drops: str = "ahead"
    rescale: bool = False
    own_logits: str = "heads"
    unit: str = "row"
    start_epoch: int = 6
    stop_epoch: Any = None

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "drop_base": [Interval(Real, 0, 1, closed="both")],
        "drop_gain": [Interval(Real, 0, None, closed="left")],
        "drop_probability": [Interval(Real, 0, 1, closed="both")],
        "drops": [StrOptions({"ahead", "any"})],
        "rescale": ["boolean"],
        "own_logits": [StrOptions({"heads", "share"})],
        "unit": [StrOptions({"row", "batch"})],
        "start_epoch": [Interval(Integral, 0, None, closed="left")],
        "stop_epoch": [Interval(Integral, 0, None, closed="left"), None],
    }
    _published: ClassVar[Mapping[str, Any]] = {"rescale": True, "own_logits": "share"}
    _published_side: ClassVar[Mapping[str, Any]] = {"optimizer": "sgd", "unimodal_weight": 0.0}
    _stacks: ClassVar[bool] = True
    _draws: ClassVar[bool] = True

    def control(self) -> dict[str, Any]:
        """As many drops, of all modalities alike."""
        return {"balancing": OPM(**{**self.get_params(), "drops": "any"})}

    def check_side(self, fusion: Any, unimodal_weight: Any) -> None:
        """Refuse to enlarge embeddings that are not added up."""
        super().check_side(fusion, unimodal_weight)
        rescale = isinstance(self.rescale, bool | np.bool_) and self.rescale  # or named later on
        if rescale and not (isinstance(fusion, str) and fusion in RESCALED):
            raise ValueError(
                f"`balancing` OPM(rescale=True) needs `fusion` to be one of {sorted(RESCALED)}; "
                f"got {fusion!r}. Set rescale=False for others."
            )

    def forward(self, net: Net, batch: Batch, unimodal: bool) -> MultimodalOutput | None:
        """Fuse what is left of each row; the modalities' own logits are of all that it has."""
        names, (X, y) = net.network.names, batch
        off = len(names) == 1 or not (self.drop_base and self.drop_probability)
        if off or not self.acts(net):
            return None
        seed = mix_seeds(net.seed, len(net.history), net.batch_number)
        if np.random.default_rng(seed).random() >= self.drop_probability:
            return None
        embeddings = encode(net, X)
        asked = unimodal or (self.own_logits == "heads" and net.network.has_own_logits)
        whole = fuse(net, embeddings, X.get("present"), asked)
        with torch.no_grad():
            credits = credits_of(net.criterion_, own_logits(net, whole, batch, self.own_logits), y)
            having = rows_having(batch, names)
            scores = mean_credits(credits, having, X.get("weight"))
            chances = drop_chances(scores, self.drop_base, self.drop_gain)
            if self.drops == "any":
                chances = chances.mean().expand_as(chances)
            kept = self._kept(len(y), having, chances, seed)
            larger = 1 / (1 - dropped_share(chances, embeddings)) if self.rescale else None
        fewer, left = dropped(embeddings, kept)
        if larger is not None:
            fewer = {m: u * larger.to(u.dtype) for m, u in fewer.items()}
        net.note_each("score", scores)
        net.note_each("dropped", share_lost(having, kept))
        logits = fuse(net, fewer, left, unimodal=False).logits
        return MultimodalOutput(logits, whole.unimodal, embeddings)

    def _kept(self, n_rows: int, having: Tensor | None, chances: Tensor, seed: int) -> Tensor:
        shape = (2, n_rows if self.unit == "row" else 1, len(chances))
        generator = torch.Generator(chances.device).manual_seed(seed)
        draws = torch.rand(shape, generator=generator, device=chances.device)
        uniform, ties = draws.expand(-1, n_rows, -1)
        # the least ahead stays, any of those with equal chances
        return survivors(having, uniform, chances, 1 - chances + 1e-4 * ties)


def dropped_share(chances: Tensor, embeddings: Mapping[str, Tensor]) -> Tensor:
    """Share of all embeddings, by their sizes, that is dropped on average."""
    sizes = [u.shape[1] for u in embeddings.values()]
    parts = [q * (size / sum(sizes)) for q, size in zip(chances, sizes, strict=True)]
    return torch.stack(parts).sum()


def drop_chances(scores: Tensor, base: float, gain: float) -> Tensor:
    """``q_m = clip(base (1 + gain tanh(r_m - 1)), 0, 1)`` where ``r_m > 1``, else 0.

    Parameters
    ----------
    scores : Tensor of shape (n_modalities,)
        Mean credit of every modality; NaN for one without rows, which is in no mean.
    base, gain : float
        Chance of a modality that is just ahead, and how much it grows.
    """
    n_known = (scores == scores).sum()
    others = (scores.nansum() - scores) / (n_known - 1).clamp_min(1)
    lead = torch.where(others > 0, scores / others, 1)
    chances = (base * (1 + gain * torch.tanh(lead - 1))).clamp(0, 1)
    return torch.where(lead > 1, chances, 0)
