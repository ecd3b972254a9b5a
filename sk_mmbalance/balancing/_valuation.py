"""`Valuation`: modalities that help little on a row see the row again, alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from .._sklearn import Interval, StrOptions
from ..networks import ModalityRows, RowBatches, mix_seeds
from ._agm import shapley
from ._base import Balancing
from ._evidence import coalition
from ._protocol import Net

#: Up to so many modalities all coalitions are asked; beyond, those of `N_ORDERS` random orders.
EXACT_UP_TO, N_ORDERS = 5, 64

#: Keeps a value of 1 that came out as 0.999... from being rounded up to a copy.
ROUNDING = 1e-9


@dataclass(kw_only=True, eq=False, repr=False)
class Valuation(Balancing):
    r"""Fine-grained modality valuation.

    Before an epoch every row says by Shapley values :math:`\phi_m` how much each of its
    modalities helps: a coalition is worth its size where the fused prediction from it alone is
    right, else nothing. In the epoch a row comes :math:`\lceil 2 (1 - \phi_m) \rceil` more times
    with modality m alone.

    Parameters
    ----------
    level : {"row", "modality"}, default="row"
        "modality" takes the means of the values over a part of the rows, and has random rows come
        again: :math:`\frac{2}{3} (\max \bar\phi - \bar\phi_m)` times their number for modality m.
    max_copies : int, default=3
        At most so many copies of a row for one modality.
    revalue_every : int, default=1
        Epochs for which rows come again as they were valued; with 1 they are valued before each.
    part : float, default=0.2
        Share of the rows that is valued for "modality".
    copies : {"valued", "random"}, default="valued"
        "random" makes as many copies, with modalities drawn at random among those of the row: the
        control.
    start_epoch, stop_epoch : int, default=5, None
        First epoch with copies, and the first without again; None goes on to the end.

    Notes
    -----
    A copy is a row that has this modality alone, with the row's weight. Values are shared out among
    the modalities that a row has; with a single one it has no copies. Encoders run once for them,
    the fusion for every coalition. An epoch grows with the copies, up to fivefold with two
    modalities: compare at equal visits, too. Every call of `partial_fit` values its own rows. Any
    fusion and any kind of target will do (numbers are right as far as their credit goes). With one
    modality this is plain training. ``history_`` gets ``face__value`` and ``face__n_copies``. The
    form for more than two modalities at the level of modalities is ours.

    References
    ----------
    .. [1] Wei, Feng, Wang, Hu, "Enhancing Multimodal Cooperation via Sample-level Modality
       Valuation", CVPR 2024, arXiv 2309.06255.

    Examples
    --------
    >>> from sk_mmbalance import MultimodalClassifier
    >>> from sk_mmbalance.balancing import Valuation
    >>> from sk_mmbalance.datasets import load_digits_views
    >>> X, y = load_digits_views(return_X_y=True)
    >>> value = Valuation(start_epoch=1)
    >>> clf = MultimodalClassifier(balancing=value, max_epochs=4, random_state=0)
    >>> bool(clf.fit(X[:900], y[:900]).score(X[900:], y[900:]) > 0.7)
    True
    """

    level: str = "row"
    max_copies: int = 3
    revalue_every: int = 1
    part: float = 0.2
    copies: str = "valued"
    start_epoch: int = 5
    stop_epoch: Any = None

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "level": [StrOptions({"row", "modality"})],
        "max_copies": [Interval(Integral, 0, None, closed="left")],
        "revalue_every": [Interval(Integral, 1, None, closed="left")],
        "part": [Interval(Real, 0, 1, closed="right")],
        "copies": [StrOptions({"valued", "random"})],
        "start_epoch": [Interval(Integral, 0, None, closed="left")],
        "stop_epoch": [Interval(Integral, 0, None, closed="left"), None],
    }
    _published_side: ClassVar[Mapping[str, Any]] = {"optimizer": "adam", "unimodal_weight": 0.0}

    def control(self) -> dict[str, Any]:
        """As many copies, of modalities drawn at random."""
        return {"balancing": Valuation(**{**self.get_params(), "copies": "random"})}

    #: The last valuing: its epoch, how often each row comes again with each modality, and means.
    _last: ClassVar[Mapping[str, Any]] = {}

    def on_train_begin(self, net: Net, rows: ModalityRows, valid: Any) -> ModalityRows:
        """Rows of another call have other values."""
        self._last = {}  # type: ignore[misc]
        return rows

    def on_train_end(self, net: Net) -> None:
        """Rows must not stay with the estimator."""
        self._last = {}  # type: ignore[misc]

    def remembered(self, net: Net) -> dict[str, Any]:
        """The last valuing, which the next epoch may go on with."""
        return dict(self._last) if self.revalue_every > 1 else {}

    def remind(self, net: Net, remembered: Mapping[str, Any]) -> None:
        """Go on with it."""
        self._last = dict(remembered)  # type: ignore[misc]

    def begin_pass(self, net: Net, batches: RowBatches) -> dict[str, Any]:
        """Value the rows, and have them come again."""
        names = net.network.names
        batches.visit(None)
        if len(names) == 1 or not self.max_copies or not self.acts(net):
            return {}
        rows = batches.rows
        draws = torch.Generator().manual_seed(mix_seeds(net.seed, len(net.history)))
        having = torch.ones((len(rows), len(names)), dtype=torch.bool, device=rows.codes.device)
        if rows.present is not None:
            having = torch.stack([rows.present[name] for name in names], dim=1)
        epoch = len(net.history)
        if not self._last or epoch - self._last["epoch"] >= self.revalue_every:
            counts, means = self._value(net, rows, having, draws)
            self._last = {  # type: ignore[misc]
                "epoch": epoch,
                "counts": counts.cpu().numpy(),
                "means": means.tolist(),
            }
        counts = torch.from_numpy(self._last["counts"]).to(having.device)
        numbers, modality = expanded(counts)
        if self.copies == "random":
            chances = torch.rand(len(numbers), len(names), generator=draws).to(having.device)
            modality = torch.where(having[numbers], chances, -1).argmax(dim=1)
        if len(numbers):
            everything = torch.arange(len(rows), device=numbers.device)
            here = {name: torch.cat([having[:, k], modality == k]) for k, name in enumerate(names)}
            batches.visit(torch.cat([everything, numbers]), here)
        made = torch.bincount(modality, minlength=len(names)).tolist()
        figures: dict[str, Any] = {f"{m}__n_copies": made[k] for k, m in enumerate(names)}
        means = self._last["means"]
        return figures | {f"{m}__value": means[k] for k, m in enumerate(names)}

    def _value(
        self, net: Net, rows: ModalityRows, having: Tensor, draws: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """How often rows come again with each modality alone, and means of the values."""
        values, valued = self._values(net, rows, having, draws)
        shares = having[valued].to(values.dtype)
        if rows.weight is not None:
            shares = shares * rows.weight[valued, None].to(values.dtype)
        means = (shares * values).sum(dim=0) / shares.sum(dim=0)
        if self.level == "row":
            return copies_of_rows(values, having, self.max_copies), means
        return self._copies_of_modalities(means, having, draws), means

    def _values(
        self, net: Net, rows: ModalityRows, having: Tensor, draws: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Values of some rows or all, of shape (n_rows, n_modalities), and which rows those are."""
        chosen = torch.arange(len(rows), device=having.device)
        if self.level == "modality":
            count = max(1, round(self.part * len(rows)))
            chosen = torch.randperm(len(rows), generator=draws)[:count].to(having.device)
        batches = net.get_iterator(rows)
        batches.visit(chosen, {m: having[chosen, k] for k, m in enumerate(net.network.names)})
        found = [_values_of(net, batch, draws.initial_seed()) for batch in batches]
        return torch.cat(found).to(having.device), chosen

    def _copies_of_modalities(
        self, means: Tensor, having: Tensor, draws: torch.Generator
    ) -> Tensor:
        """How often random rows come again with each modality alone."""
        counts = torch.zeros(having.shape, dtype=torch.int64)
        comparable = (having.sum(dim=1) > 1).cpu()
        for k, wanted in enumerate(copies_of_modalities(means.tolist(), len(having))):
            eligible = (having[:, k].cpu() & comparable).nonzero()[:, 0]
            if wanted and len(eligible):
                places = torch.randint(len(eligible), (wanted,), generator=draws)
                counts[:, k] = torch.bincount(eligible[places], minlength=len(having))
        return counts.clamp_max(self.max_copies).to(having.device)


def _values_of(net: Net, batch: Any, seed: int) -> Tensor:
    """Shapley values of the modalities of every row of a batch."""
    (X, y), names, fusion = batch, net.network.names, net.network.fusion
    output = net.evaluate(batch, unimodal=False)
    embeddings, present = output.embeddings or {}, X["present"]

    def worth(members: tuple[str, ...]) -> Tensor:
        size = torch.stack([present[m] for m in members]).sum(dim=0)
        with torch.inference_mode(), net.autocast():
            logits = coalition(fusion, embeddings, members, present)
        logits = logits.float() if net.amp else logits
        right = net.criterion_.hits(logits, y)
        return size * (net.criterion_.credit(logits, y) if right is None else right)

    if len(names) <= EXACT_UP_TO:
        values = shapley(worth, names, worth(tuple(names)))
    else:
        values = sampled_shapley(worth, names, seed)
    return torch.stack([values[name] for name in names], dim=1)


def sampled_shapley(
    worth: Callable[[tuple[str, ...]], Tensor], names: list[str], seed: int
) -> dict[str, Tensor]:
    """Shapley values from `N_ORDERS` random orders in which the players join."""
    rng, known = np.random.default_rng(seed), {}
    values = dict.fromkeys(names, 0.0)
    for _ in range(N_ORDERS):
        before: Any = 0.0
        joined: list[int] = []
        for k in rng.permutation(len(names)).tolist():
            joined = sorted([*joined, k])
            members = tuple(names[place] for place in joined)
            if members not in known:
                known[members] = worth(members)
            values[names[k]] = values[names[k]] + (known[members] - before) / N_ORDERS
            before = known[members]
    return values  # type: ignore[return-value]


def copies_of_rows(values: Tensor, having: Tensor, most: int) -> Tensor:
    """``min(most, ceil(2 (1 - phi)))``, none from a value of 1 on, nor of a row's only modality.

    Parameters
    ----------
    values : Tensor of shape (n_rows, n_modalities)
        Shapley values.
    having : Tensor of bool of shape (n_rows, n_modalities)
        Which modalities a row has.
    most : int
        Largest number.
    """
    wanted = torch.ceil(2 * (1 - values) - ROUNDING).clamp(0, most).to(torch.int64)
    comparable = having & (having.sum(dim=1, keepdim=True) > 1)
    return torch.where(comparable, wanted, 0)


def copies_of_modalities(means: list[float], n_rows: int) -> list[int]:
    """Two thirds of how far each modality is behind the best, times the number of rows."""
    best = max(value for value in means if not math.isnan(value))  # NaN: no row has it
    behind = [0.0 if math.isnan(value) else best - value for value in means]
    return [int(2 / 3 * gap * n_rows + ROUNDING) for gap in behind]


def expanded(counts: Tensor) -> tuple[Tensor, Tensor]:
    """Row and modality of every copy, from their numbers of shape (n_rows, n_modalities)."""
    rows, modalities = counts.nonzero(as_tuple=True)
    often = counts[rows, modalities]
    return rows.repeat_interleave(often), modalities.repeat_interleave(often)
