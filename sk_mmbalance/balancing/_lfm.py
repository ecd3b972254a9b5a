"""`LFM`: a loss that draws the modalities' predictions together, with a weight that changes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.func import functional_call

from .._sklearn import Interval, StrOptions
from ..base import CLASSES, LABELS
from ..networks import (
    Batch,
    ModalityRows,
    MultimodalOutput,
    mean_criterion,
    mix_seeds,
    to_device,
    weighted_mean_loss,
)
from ._base import Balancing
from ._evidence import log_probabilities, logits_to_train, mean_over, rows_having
from ._parts_of_rows import hold_out_by_content
from ._protocol import Net

#: What a weight goes between: "decay" from the first to the second in the time of training.
FIRST, LAST = 0.8, 0.2

#: A learnt weight starts where the authors' does, and stays within these.
START, LEAST, MOST = 0.95, 0.05, 0.95

#: Rows that a weight is learnt from after an epoch, of those in training and of those held out.
LEARNT_FROM = 512


class _Weight(nn.Module):
    """The weight that is learnt."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("align", torch.tensor(START, dtype=torch.float64))


@dataclass(kw_only=True, eq=False, repr=False)
class LFM(Balancing):
    r"""Learning to fit modalities: classification against a gap that is kept small.

    Modalities learn at different speeds, and their predictions come apart. The loss is
    :math:`(1 - \alpha) L + \alpha A`, with L the loss without the method and A the mean
    generalised Jensen-Shannon divergence of the predictions of a row's modalities.

    Parameters
    ----------
    align_weight : float in [0, 1), "decay" or "learned", default="decay"
        The weight :math:`\alpha`: constant; falling from 0.8 to 0.2 over `max_epochs`, in a line;
        or learnt after each epoch, from 0.95 on and between 0.05 and 0.95, by the gradient of the
        loss of held-out rows after a step.
    align : {"jensen-shannon", "code"}, default="jensen-shannon"
        "code" is what the released code computes for A, with the divergences the other way round:
        of the mean from each modality, which has no upper bound.
    align_lr : float, default=10.0
        How fast the weight is learnt, relative to the learning rate.
    validation_fraction : float, default=0.1
        Part of the rows of each class that is held out to learn the weight, by the content of the
        rows, where the estimator holds out none (in `partial_fit`, say).
    start_epoch, stop_epoch : int, default=0, None
        First epoch with the method, and the first without again; None goes on to the end.

    Notes
    -----
    A modality's logits are its own classifier's where one is trained ("late", which
    ``fusion="auto"`` stands for, or ``unimodal_weight`` above 0), else its part of a fused
    classifier that is a sum. A is a mean over the rows that have two modalities or more; of several
    labels it is a mean; numbers have no probabilities. Any number of modalities will do; with one
    this is plain training. ``history_`` gets ``align_weight`` and ``alignment``, the mean of A. The
    released code has twice this loss, and changes its weight by a number that is not its
    derivative, and so small that it stays where it starts.

    References
    ----------
    .. [1] Yang, Wan, Jiang, Xu, "Facilitating Multimodal Classification via Dynamically Learning
       Modality Gap", NeurIPS 2024.

    Examples
    --------
    >>> from sk_mmbalance import MultimodalClassifier
    >>> from sk_mmbalance.balancing import LFM
    >>> from sk_mmbalance.datasets import load_digits_views
    >>> X, y = load_digits_views(return_X_y=True)
    >>> clf = MultimodalClassifier(balancing=LFM(), max_epochs=8, random_state=0)
    >>> bool(clf.fit(X[:900], y[:900]).score(X[900:], y[900:]) > 0.7)
    True
    """

    align_weight: Any = "decay"
    align: str = "jensen-shannon"
    align_lr: float = 10.0
    validation_fraction: float = 0.1
    start_epoch: int = 0
    stop_epoch: Any = None

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "align_weight": [Interval(Real, 0, 1, closed="left"), StrOptions({"decay", "learned"})],
        "align": [StrOptions({"jensen-shannon", "code"})],
        "align_lr": [Interval(Real, 0, None, closed="left")],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "start_epoch": [Interval(Integral, 0, None, closed="left")],
        "stop_epoch": [Interval(Integral, 0, None, closed="left"), None],
    }
    _published: ClassVar[Mapping[str, Any]] = {"align_weight": 0.95, "align": "code"}
    _published_side: ClassVar[Mapping[str, Any]] = {"optimizer": "sgd"}
    _fusion: ClassVar[str] = "late"
    _unimodal_weight: ClassVar[float] = 0.0
    _kinds: ClassVar[tuple[str, ...]] = (CLASSES, LABELS)

    def prepare(self, max_epochs: int) -> None:
        """The time in which the weight falls."""
        self._epochs = max_epochs

    def check_net(self, net: Net) -> None:
        """Refuse modalities without logits of their own."""
        self._refuse_no_logits(net)

    def make_state(self, module: Any, dims: Mapping[str, int], n_classes: int) -> nn.Module | None:
        """The weight to be learnt."""
        return _Weight()

    def _weight(self, net: Net) -> Any:
        if self.align_weight == "learned":
            return self._state(net).align
        if self.align_weight == "decay":
            return falling(len(net.history) - 1, self._epochs)
        return self.align_weight

    def _state(self, net: Net) -> Any:
        return net.running(self)

    def _takes_part(self, net: Net) -> bool:
        return self.align_weight != 0 and len(net.network.names) > 1 and self.acts(net)

    def needs_own_logits(self, net: Net) -> bool:
        """Where they are to be alike."""
        return net.network.has_own_logits and self._takes_part(net)

    def loss(self, net: Net, output: MultimodalOutput, batch: Batch, loss: Tensor) -> Tensor:
        """Weigh loss and alignment."""
        if not self._takes_part(net):
            return loss
        apart, share = self._alignment(net, output, batch), self._weight(net)
        net.note({"align_weight": torch.as_tensor(share), "alignment": apart.detach()})
        return (1 - share) * loss + share * apart

    def _alignment(self, net: Net, output: MultimodalOutput, batch: Batch) -> Tensor:
        logits = logits_to_train(net, output, batch)
        names = net.network.names
        log_p = log_probabilities(net.criterion_, torch.stack([logits[m] for m in names], dim=1))
        present = rows_having(batch, names)
        apart = divergence(log_p, present, self.align == "code")
        weight = batch[0].get("weight")
        if present is None:
            return weighted_mean_loss(apart, weight)
        return mean_over(apart, weight, present.sum(dim=1) > 1)

    # -- learning the weight ---------------------------------------------------------------

    def on_train_begin(self, net: Net, rows: ModalityRows, valid: Any) -> ModalityRows:
        """Remember what the weight is learnt from, while training lasts."""
        if self.align_weight == "learned" and len(net.network.names) > 1:
            if valid is None:
                rows, valid = hold_out_by_content(net, rows, self.validation_fraction)
            if len(valid):
                self._rows = (rows, valid)
        return rows

    def on_train_end(self, net: Net) -> None:
        """Rows stay with nobody."""
        self.__dict__.pop("_rows", None)

    def on_epoch_end(self, net: Net) -> None:
        """Change the weight as the loss of held-out rows asks for."""
        if not (hasattr(self, "_rows") and self._takes_part(net)):
            return
        network, align = net.network, self._state(net).align
        device = align.device
        seed = mix_seeds(net.seed, len(net.history))
        train, valid = (to_device(_some(rows, seed), device) for rows in self._rows)
        wanted = {k: p for k, p in network.named_parameters() if p.requires_grad}
        wanted = {k: p for k, p in wanted.items() if not k.startswith("running.")}
        lr = float(net.optimizer_.param_groups[0]["lr"])
        training = network.training
        network.eval()  # draws nothing, and leaves statistics of batches alone

        def losses(parameters: Any, batch: Batch) -> tuple[Tensor, Tensor]:
            X, y = batch
            output = functional_call(network, parameters, (X["inputs"], X.get("present")))
            fused = mean_criterion(net.criterion_, output.logits, y, X.get("weight"))
            return fused, self._alignment(net, output, batch)

        with torch.backends.cudnn.flags(enabled=False):  # whose recurrent layers refuse eval mode
            slope = slope_of_weight(
                lambda p: losses(p, train), lambda p: losses(p, valid)[0], wanted, align, lr
            )
        network.train(training)
        align.copy_((align - self.align_lr * slope).clamp(LEAST, MOST))


def falling(epoch: int, n_epochs: int) -> float:
    """From `FIRST` in epoch 0 to `LAST` in epoch ``n_epochs - 1``, and there from then on."""
    return FIRST + (LAST - FIRST) * min(1.0, epoch / max(1, n_epochs - 1))


def divergence(log_p: Tensor, present: Tensor | None = None, code: bool = False) -> Tensor:
    """Mean divergence of the modalities' predictions and their mean, row by row.

    Of each modality from the mean this is the generalised Jensen-Shannon divergence; with `code`
    it is of the mean from each.

    Parameters
    ----------
    log_p : Tensor of shape (batch, n_modalities, n_targets, n_states)
        Logarithms of the probabilities.
    present : Tensor of bool of shape (batch, n_modalities), default=None
        Which modalities a row has.
    code : bool, default=False
        Which divergence.
    """
    if present is None:
        log_mean = log_p.logsumexp(dim=1, keepdim=True) - math.log(log_p.shape[1])
    else:  # a row that has none passes for one that has all
        here = (present | ~present.any(dim=1, keepdim=True))[:, :, None, None]
        count = here.sum(dim=1, keepdim=True).to(log_p.dtype)
        log_mean = log_p.masked_fill(~here, -math.inf).logsumexp(dim=1, keepdim=True) - count.log()
    difference = log_p - log_mean
    apart = -log_mean.exp() * difference if code else log_p.exp() * difference
    if present is None:
        return apart.sum(dim=3).mean(dim=(1, 2))
    return (torch.where(here, apart, 0).sum(dim=1) / count[:, 0]).sum(dim=2).mean(dim=1)


def slope_of_weight(
    losses: Any, held_out: Any, parameters: Mapping[str, Tensor], share: Any, lr: float
) -> Tensor:
    """Derivative, by the weight, of the held-out loss after a step of gradient descent.

    Parameters
    ----------
    losses : callable
        From parameters by name to the two losses that are weighed.
    held_out : callable
        From parameters by name to the loss of held-out rows.
    parameters : dict of str to Tensor
        From where the step starts.
    share : float or Tensor
        Weight of the second loss.
    lr : float
        Length of the step.
    """

    def gradients(loss: Tensor, at: Mapping[str, Tensor]) -> list[Tensor]:
        found = torch.autograd.grad(loss, list(at.values()), retain_graph=True, allow_unused=True)
        pairs = zip(found, at.values(), strict=True)
        return [torch.zeros_like(p) if g is None else g for g, p in pairs]

    with torch.enable_grad():
        first, second = losses(parameters)
        g, a = gradients(first, parameters), gradients(second, parameters)
        moved = {
            key: (p - lr * ((1 - share) * g[k] + share * a[k])).detach().requires_grad_()
            for k, (key, p) in enumerate(parameters.items())
        }
        v = gradients(held_out(moved), moved)
    return -lr * torch.stack([(v[k] * (a[k] - g[k])).sum() for k in range(len(v))]).sum()


def _some(rows: ModalityRows, seed: int) -> Batch:
    """At most `LEARNT_FROM` rows."""
    if len(rows) <= LEARNT_FROM:
        return rows[torch.arange(len(rows), device=rows.codes.device)]
    order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(seed))
    return rows[order[:LEARNT_FROM].to(rows.codes.device)]
