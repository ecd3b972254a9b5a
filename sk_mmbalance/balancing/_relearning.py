"""`Relearning`: encoders that over-fit are pulled back towards their initial weights."""

from __future__ import annotations

import copy
import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
import torch
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from torch import Tensor, nn

from .._sklearn import Interval, StrOptions
from ..base import CLASSES
from ..networks import ByModality, ModalityRows, RowBatches
from ._base import Balancing
from ._protocol import Net

#: Resets end after this share of the epochs, so that there is time to learn again.
LAST_RESET = 0.75


@dataclass(kw_only=True, eq=False, repr=False)
class Relearning(Balancing):
    r"""Diagnosing and re-learning.

    A few times in a training, every modality is diagnosed: how much better are its classes told
    apart in training rows than in held-out ones? Its encoder is pulled back towards its initial
    weights by :math:`a = \tanh(s\,(P_{train} - P_{held\,out}))`, and learns again.

    Parameters
    ----------
    strength : float, default=3.0
        Strength :math:`s`.
    every : int or "auto", default="auto"
        Epochs between two diagnoses; "auto" is a quarter of `max_epochs`.
    n_resets : int, default=3
        Number of diagnoses. There are none in the last quarter of `max_epochs`, and `partial_fit`
        and ``warm_start`` count on.
    diagnosis : {"cluster", "head"}, default="cluster"
        What :math:`P` is: the accuracy of clusters of the embeddings that are named by their
        largest class, as many as there are classes; or (ours) that of the modality's own
        prediction, for any kind of target (for numbers, the credit).
    pull : {"own", "mean"}, default="own"
        "mean" pulls all encoders by the mean of what each deserves: the control.
    validation_fraction : float, default=0.1
        Share of the rows that the method holds out for itself, where early stopping holds out none.
        Copies of a row stay together, every class keeps a row to train on, and a row that comes
        again in another call is on the same side.

    Notes
    -----
    Clusters start from the class means in the training rows, and both parts are scaled as these
    are, so that neither draws nor sizes of the parts matter; in the released code both parts are
    clustered apart, and a modality that does better on held-out rows is pulled back too. Statistics
    of batches are pulled with the weights, and the optimiser forgets what it knew of them. Rows
    that lack a modality say nothing of it. The patience of early stopping starts anew. Any fusion
    and any number of modalities will do; with one this is plain training. ``history_`` gets
    ``face__reset``, which is :math:`a` before the epoch.

    References
    ----------
    .. [1] Wei, Li, Feng, Hu, "Diagnosing and Re-learning for Balanced Multimodal Learning",
       ECCV 2024, arXiv 2407.09705.

    Examples
    --------
    >>> from sk_mmbalance import MultimodalClassifier
    >>> from sk_mmbalance.balancing import Relearning
    >>> from sk_mmbalance.datasets import load_digits_views
    >>> X, y = load_digits_views(return_X_y=True)
    >>> clf = MultimodalClassifier(balancing=Relearning(), max_epochs=8, random_state=0)
    >>> bool(clf.fit(X[:900], y[:900]).score(X[900:], y[900:]) > 0.7)
    True
    """

    strength: float = 3.0
    every: Any = "auto"
    n_resets: int = 3
    diagnosis: str = "cluster"
    pull: str = "own"
    validation_fraction: float = 0.1

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "strength": [Interval(Real, 0, None, closed="left")],
        "every": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "n_resets": [Interval(Integral, 0, None, closed="left")],
        "diagnosis": [StrOptions({"cluster", "head"})],
        "pull": [StrOptions({"own", "mean"})],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
    }
    _published: ClassVar[Mapping[str, Any]] = {"every": 20}
    _published_side: ClassVar[Mapping[str, Any]] = {"optimizer": "sgd", "unimodal_weight": 0.0}

    def control(self) -> dict[str, Any]:
        """As strong a pull on all encoders alike."""
        return {"balancing": Relearning(**{**self.get_params(), "pull": "mean"})}

    def prepare(self, max_epochs: int) -> None:
        """A quarter of the epochs, unless said otherwise."""
        if self.every == "auto":
            self.every = max(1, max_epochs // 4)
        self._last = LAST_RESET * max_epochs

    def check_target(self, kind: str) -> None:
        """Refuse to name clusters by what is no class."""
        super().check_target(kind)
        if self.diagnosis == "cluster" and kind != CLASSES:
            raise ValueError(
                "`balancing` Relearning(diagnosis='cluster') needs one class a row, and `y` holds "
                f"{kind}. Set diagnosis='head'."
            )

    def check_net(self, net: Net) -> None:
        """Refuse an optimiser that cannot forget single weights."""
        self._refuse_closure(net)

    def make_state(self, module: Any, dims: Mapping[str, int], n_classes: int) -> nn.Module | None:
        """The encoders as they were made."""
        first = ByModality({m: copy.deepcopy(module.backbones[m]) for m in module.names})
        return first.requires_grad_(False)

    def _is_on(self, net: Net) -> bool:
        return bool(self.strength and self.n_resets) and len(net.network.names) > 1

    def on_train_begin(self, net: Net, rows: ModalityRows, valid: Any) -> ModalityRows:
        """Remember the rows held out, or hold some out."""
        if self._is_on(net) and valid is None:
            chosen = self._choice(net, rows)
            rows, valid = rows.take((~chosen).nonzero()[:, 0]), rows.take(chosen.nonzero()[:, 0])
        self._valid = valid
        return rows

    def _choice(self, net: Net, rows: ModalityRows) -> Tensor:
        """Which rows are held out, by what they hold."""
        batches = net.get_iterator(replace(rows, extras={}))
        draws = torch.cat([_draws(X) for X, _ in batches]).to(rows.codes.device)
        classes = rows.codes if rows.codes.ndim == 1 else torch.zeros(len(rows), dtype=torch.int64)
        classes = classes.to(draws.device)
        highest = draws.new_zeros(int(classes.max()) + 1)
        highest.scatter_reduce_(0, classes, draws, "amax")
        return (draws < self.validation_fraction) & (draws < highest[classes])

    def on_train_end(self, net: Net) -> None:
        """Forget the rows held out."""
        self._valid = None

    def begin_pass(self, net: Net, batches: RowBatches) -> dict[str, Any]:
        """Diagnose and pull, where it is time."""
        done, valid = len(net.history) - 1, self._valid
        count, rest = divmod(done, self.every)
        if not self._is_on(net) or valid is None or not len(valid):
            return {}
        pulls = dict.fromkeys(net.network.names, 0.0)
        if not rest and 0 < count <= self.n_resets and done <= self._last:
            parts = [_look(net, rows, self.diagnosis) for rows in (batches.rows, valid)]
            if self.diagnosis == "cluster":
                found = {m: cluster_accuracies(parts[0][m], parts[1][m]) for m in pulls}
            else:
                found = {m: [_mean(*part[m]) for part in parts] for m in pulls}
            pulls = {m: pull_of(found[m][0], found[m][1], self.strength) for m in pulls}
            if self.pull == "mean":
                pulls = dict.fromkeys(pulls, math.fsum(pulls.values()) / len(pulls))
            first: Any = net.running(self)
            for name, a in pulls.items():
                if a > 0:
                    pull_back(net.network.backbones[name], first[name], a, net.optimizer_)
            if any(pulls.values()):
                net.restart_patience()
        return {f"{name}__reset": a for name, a in pulls.items()}


def pull_of(train: float, held_out: float, strength: float) -> float:
    """``a = tanh(strength (train - held_out))`` where that is positive, else 0."""
    gap = train - held_out
    return math.tanh(strength * gap) if gap > 0 else 0.0  # not if either is unknown (NaN)


@torch.no_grad()
def pull_back(encoder: nn.Module, first: nn.Module, a: float, optimizer: Any) -> None:
    """``a first + (1 - a) now`` for weights and statistics; the optimiser forgets their past."""
    then = first.state_dict()
    for key, value in encoder.state_dict().items():
        if value.is_floating_point():
            value.copy_(torch.lerp(value, then[key], a))
    for parameter in encoder.parameters():
        for kept in optimizer.state.get(parameter, {}).values():
            if isinstance(kept, Tensor):
                kept.zero_()


def cluster_accuracies(train: tuple[Any, ...], held_out: tuple[Any, ...]) -> list[float]:
    """How many rows are in a cluster that bears the name of their class, in either part.

    Parameters
    ----------
    train, held_out : tuple of array
        Embeddings of shape (n_rows, size), classes and weights. Clusters are found, and named, in
        the first part; NaN where a part has no rows.
    """
    (u, y, w), (v, z, s) = train, held_out
    if not len(u) or not len(v):
        return [math.nan, math.nan]
    low, high = u.min(axis=0), u.max(axis=0)
    span = np.where(high > low, high - low, 1)
    u, v = (2 * (part - low) / span - 1 for part in (u, v))
    classes, codes = np.unique(y, return_inverse=True)
    member = np.eye(len(classes))[codes] * w[:, None]
    means = (member.T @ u) / member.sum(axis=0)[:, None]
    with warnings.catch_warnings():  # that there are fewer clusters than classes does no harm
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = KMeans(len(classes), init=means, n_init=1).fit(u, sample_weight=w)
    counts = np.zeros((len(classes), len(classes)))
    np.add.at(counts, (model.labels_, codes), w)
    names = classes[counts.argmax(axis=1)]
    return [
        float(np.average(names[model.predict(part)] == truth, weights=weight))
        for part, truth, weight in ((u, y, w), (v, z, s))
    ]


def _mean(values: np.ndarray, weight: np.ndarray) -> float:
    return float(np.average(values, weights=weight)) if len(values) else math.nan


def _look(net: Net, rows: ModalityRows, diagnosis: str) -> dict[str, tuple[Any, ...]]:
    """Of each modality's rows: embeddings, classes and weights, or how right it is, and weights."""
    names, parts = net.network.names, []
    for X, y in net.get_iterator(replace(rows, extras={})):
        output = net.evaluate((X, y), unimodal=diagnosis == "head")
        weight = X.get("weight")
        weight = torch.ones(len(y), device=y.device) if weight is None else weight
        row: dict[str, tuple[Any, ...]] = {}
        for name in names:
            here = X["present"][name] if "present" in X else weight > 0
            if diagnosis == "head":
                hits = net.criterion_.hits(output.unimodal[name], y)
                values = net.criterion_.credit(output.unimodal[name], y) if hits is None else hits
                row[name] = (values[here], weight[here])
            else:
                row[name] = ((output.embeddings or {})[name][here], y[here], weight[here])
        parts.append(row)
    whole = {name: zip(*(part[name] for part in parts), strict=True) for name in names}
    return {
        name: tuple(torch.cat(each).double().cpu().numpy() for each in pieces)
        for name, pieces in whole.items()
    }


def _draws(X: dict[str, Any]) -> Tensor:
    """A number in [0, 1) for each row, as if drawn, that depends on what it holds alone."""
    total: Any = 0
    for name in sorted(X["inputs"]):
        x = X["inputs"][name].to_dense().flatten(1).double().nan_to_num(0)  # of padding
        if "present" in X:
            x = torch.where(X["present"][name][:, None], x, 0)
        generator = torch.Generator().manual_seed(x.shape[1])
        weights = torch.rand(x.shape[1], generator=generator, dtype=x.dtype)
        total = total + (x * weights.to(x.device)).sum(dim=1)
    bits = total.float().view(torch.int32).long()
    # Knuth's multiplicative hash: its upper bits look random, of values of any size
    return ((bits * 2654435761) & 0xFFFFFFFF).double() / 2**32
