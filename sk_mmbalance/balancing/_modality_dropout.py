"""`ModalityDropout`: the fused classifier is trained without modalities, now and then."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, ClassVar

import torch
from torch import Tensor

from .._sklearn import Interval, StrOptions
from ..networks import Batch, MultimodalOutput, mix_seeds
from ._base import Balancing
from ._evidence import heads_of, rows_having
from ._protocol import Net


@dataclass(kw_only=True, eq=False, repr=False)
class ModalityDropout(Balancing):
    """Modality dropout: in training, rows lose modalities at random, never all of them.

    The fused classifier cannot lean on one modality, and every encoder is asked for the classes by
    itself at times. In prediction nothing is dropped.

    Parameters
    ----------
    rate : float or dict of str to float, default=0.3
        Probability with which a row loses a modality that it has, drawn for each modality by
        itself; or one for each modality by its name, and 0 for those that are not named. A row that
        would lose all keeps one of them, any with equal chance.
    unit : {"row", "batch"}, default="row"
        What is drawn for in every step: each row by itself, or all rows of the batch together, so
        that a weight of 2 is a row that stands twice.
    start_epoch, stop_epoch : int, default=0, None
        First epoch with dropout, and the first without again; None goes on to the end.

    Notes
    -----
    A modality that is dropped is missing, as in the fusion of rows that lack it: its embedding is
    zero, and whatever the fusion does for missing modalities it does here. Losses of single
    modalities (``unimodal_weight``) see every row. Any fusion, any kind of target and any number of
    modalities will do; one modality is never dropped. ``history_`` gets ``face__dropped``, the
    share of the rows with this modality that lost it. The rate is ours; in the paper it comes after
    training the modalities by themselves.

    References
    ----------
    .. [1] Neverova, Wolf, Taylor, Nebout, "ModDrop: Adaptive Multi-Modal Gesture Recognition",
       IEEE Transactions on Pattern Analysis and Machine Intelligence 38(8), 2016.

    Examples
    --------
    >>> from sk_mmbalance import MultimodalClassifier
    >>> from sk_mmbalance.balancing import ModalityDropout
    >>> from sk_mmbalance.datasets import load_digits_views
    >>> X, y = load_digits_views(return_X_y=True)
    >>> dropout = ModalityDropout(rate=0.2)
    >>> clf = MultimodalClassifier(balancing=dropout, max_epochs=5, random_state=0)
    >>> bool(clf.fit(X[:900], y[:900]).score(X[900:], y[900:]) > 0.7)
    True
    """

    rate: Any = 0.3
    unit: str = "row"
    start_epoch: int = 0
    stop_epoch: Any = None

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "rate": [Interval(Real, 0, 1, closed="both"), dict],
        "unit": [StrOptions({"row", "batch"})],
        "start_epoch": [Interval(Integral, 0, None, closed="left")],
        "stop_epoch": [Interval(Integral, 0, None, closed="left"), None],
    }

    _stacks: ClassVar[bool] = True
    _draws: ClassVar[bool] = True

    def check_training(self, names: list[str], validating: bool) -> None:
        """Refuse rates of modalities that are not there, and what is no rate."""
        if not isinstance(self.rate, Mapping):
            return
        unknown = sorted(set(self.rate) - set(names))
        if unknown:
            raise ValueError(
                f"`rate` of `balancing` ModalityDropout() names {unknown}, which `X` does not "
                f"have; its modalities are {names}."
            )
        for name, rate in self.rate.items():
            if not (isinstance(rate, Real) and 0 <= float(rate) <= 1):
                raise ValueError(
                    "`rate` of `balancing` ModalityDropout() must be between 0 and 1; got "
                    f"{rate!r} for {name!r}."
                )

    def forward(self, net: Net, batch: Batch, unimodal: bool) -> MultimodalOutput | None:
        """Fuse what is left of each row; the modalities' own logits are of all that it has."""
        names, network, X = net.network.names, net.network, batch[0]
        rates = [self._rate_of(name) for name in names]
        if len(names) == 1 or not any(rates) or not self.acts(net):
            return None
        present = X.get("present")
        having, n_rows, device = rows_having(batch, names), len(batch[1]), batch[1].device
        place = (net.seed, len(net.history), net.batch_number)
        generator = torch.Generator(device).manual_seed(mix_seeds(*place))
        shape = (n_rows if self.unit == "row" else 1, len(names))
        chances = torch.rand(shape, generator=generator, device=device).expand(n_rows, -1)
        ties = torch.rand(shape, generator=generator, device=device).expand(n_rows, -1)
        kept = survivors(having, chances, torch.tensor(rates, device=device), ties)
        with net.autocast():
            embeddings = network.encode(X["inputs"], present)
            fewer, left = dropped(embeddings, kept)
            logits = network.fuse(fewer, left, unimodal=False).logits
            own = heads_of(network, embeddings, present) if unimodal else {}
        net.note_each("dropped", share_lost(having, kept))
        if net.amp:
            logits, own = logits.float(), {m: z.float() for m, z in own.items()}
        return MultimodalOutput(logits, own, embeddings)

    def _rate_of(self, name: str) -> float:
        rate = self.rate
        return float(rate.get(name, 0.0) if isinstance(rate, Mapping) else rate)


def survivors(having: Tensor | None, chances: Tensor, rates: Tensor, ties: Tensor) -> Tensor:
    """What each row keeps of the modalities that it has; at least one, if it has any.

    Parameters
    ----------
    having : Tensor of bool of shape (batch, n_modalities), or None
        Which modalities a row has; None if it has all.
    chances : Tensor of shape (batch, n_modalities)
        Uniform in [0, 1): below the rate, a modality is dropped.
    rates : Tensor of shape (n_modalities,)
        Probability of each modality.
    ties : Tensor of shape (batch, n_modalities)
        Of a row that would lose all, the modality with the largest stays.
    """
    kept = chances >= rates
    if having is not None:
        kept, ties = kept & having, torch.where(having, ties, -1)
    only = torch.zeros_like(kept).scatter(1, ties.argmax(dim=1, keepdim=True), True)
    if having is not None:  # a row may have none at all
        only = only & having
    return torch.where(kept.any(dim=1, keepdim=True), kept, only)


def dropped(
    embeddings: Mapping[str, Tensor], kept: Tensor
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Embeddings without those that rows lose, and which are left, by modality in their order."""
    lost = (~kept)[:, :, None].unbind(1)
    pairs = zip(embeddings.items(), lost, strict=True)
    fewer = {name: u.masked_fill(gone, 0) for (name, u), gone in pairs}
    return fewer, dict(zip(embeddings, kept.unbind(1), strict=True))


def share_lost(having: Tensor | None, kept: Tensor) -> Tensor:
    """Share of the rows with a modality that lose it, of shape (n_modalities,)."""
    if having is None:
        return (~kept).sum(dim=0) / len(kept)
    return (having & ~kept).sum(dim=0) / having.sum(dim=0).clamp_min(1)
