"""The tensor side of a target: what its outputs lose, and how right and how sure they are.

There is one loss for each kind of `Target`, and it is the criterion of the net. `forward` gives the
loss of every row. Beside it, in the same words for every kind,

- *credit*, how right outputs are, in [0, 1]: the probability of the true class; its mean over
  labels; ``exp(-loss / scale)`` for numbers, where `scale` is the loss of the best constant;
- *doubt*, how unsure they are: the entropy; its mean over labels; unknown for numbers.

Balancing methods compare modalities by these, and so do not depend on the kind of target.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..base import CLASSES, LABELS, Target
from ._aligned import Aligned, masks_of, stacked_of

#: Losses of numbers by the name that the parameter `loss` has for them.
NUMBER_LOSSES: dict[str, Callable[..., Tensor]] = {
    "squared_error": F.mse_loss,
    "absolute_error": F.l1_loss,
    "huber": F.huber_loss,
}

#: Torch's softmax takes rows of fewer columns than a vector register holds number by number.
_FEW_COLUMNS = 15


def probability_of_truth(logits: Tensor, codes: Tensor) -> Tensor:
    """Probability of the true class, of shape (batch,)."""
    return F.softmax(logits, dim=1).gather(1, codes[:, None])[:, 0]


def entropy(logits: Tensor) -> Tensor:
    """Entropy of the probabilities, of shape (batch,)."""
    log_p = F.log_softmax(logits, dim=1)
    return -(log_p.exp() * log_p).sum(dim=1)


class ClassLoss(nn.CrossEntropyLoss):
    """Cross-entropy of one class a row.

    Outputs are logits of shape (batch, n_classes), targets class numbers of shape (batch,).
    """

    def credit(self, outputs: Tensor, y: Tensor) -> Tensor:
        """Probability of the true class, of shape (batch,)."""
        return probability_of_truth(outputs, y)

    def doubt(self, outputs: Tensor) -> Tensor | None:
        """Entropy, of shape (batch,)."""
        return entropy(outputs)

    def hits(self, outputs: Tensor, y: Tensor) -> Tensor | None:
        """Whether the most probable class is the true one, as 0 and 1 of shape (batch,)."""
        return (outputs.argmax(dim=1) == y).to(outputs.dtype)

    def figures(self, outputs: Tensor, y: Tensor, log_p: Tensor | None = None) -> dict[str, Tensor]:
        """Accuracy, confidence and plain loss of every row; `log_p` saves work if it is known."""
        log_p = F.log_softmax(outputs, dim=1) if log_p is None else log_p
        log_p = log_p.gather(1, y[:, None])[:, 0]
        hits = (outputs.argmax(dim=1) == y).to(outputs.dtype)
        return {"accuracy": hits, "confidence": log_p.exp(), "loss": -log_p}


class LabelLoss(nn.Module):
    """Mean over labels of their binary cross-entropies.

    Outputs are logits, targets 0 and 1, both of shape (batch, n_labels).

    Parameters
    ----------
    reduction : {"none"}
        For the likeness with torch's losses: this one always gives the loss of every row.
    label_smoothing : float
        Targets are moved so far towards 1/2.
    """

    def __init__(self, reduction: str = "none", label_smoothing: float = 0.0):
        super().__init__()
        self.label_smoothing = label_smoothing

    def forward(self, outputs: Tensor, y: Tensor) -> Tensor:
        """Loss of every row."""
        if self.label_smoothing:
            y = y * (1 - self.label_smoothing) + 0.5 * self.label_smoothing
        return F.binary_cross_entropy_with_logits(outputs, y, reduction="none").mean(dim=1)

    def credit(self, outputs: Tensor, y: Tensor) -> Tensor:
        """Mean over labels of the probability of what is true, of shape (batch,)."""
        return torch.sigmoid(torch.where(y > 0, outputs, -outputs)).mean(dim=1)

    def doubt(self, outputs: Tensor) -> Tensor | None:
        """Mean entropy of the labels, of shape (batch,)."""
        p = torch.sigmoid(outputs)
        return F.binary_cross_entropy_with_logits(outputs, p, reduction="none").mean(dim=1)

    def hits(self, outputs: Tensor, y: Tensor) -> Tensor | None:
        """Whether all labels of a row are right, as 0 and 1 of shape (batch,)."""
        return ((outputs > 0) == (y > 0)).all(dim=1).to(outputs.dtype)

    def figures(self, outputs: Tensor, y: Tensor, log_p: Tensor | None = None) -> dict[str, Tensor]:
        """Accuracy, confidence and plain loss of every row."""
        loss = F.binary_cross_entropy_with_logits(outputs, y, reduction="none").mean(dim=1)
        hits = ((outputs > 0) == (y > 0)).all(dim=1).to(outputs.dtype)
        return {"accuracy": hits, "confidence": self.credit(outputs, y), "loss": loss}


class NumberLoss(nn.Module):
    """Mean over columns of the loss of standardised numbers.

    Outputs and targets have shape (batch, n_columns).

    Parameters
    ----------
    reduction : {"none"}
        For the likeness with torch's losses: this one always gives the loss of every row.
    loss : {"squared_error", "absolute_error", "huber"}
        Which loss; "huber" is squared up to 1 (a standard deviation of the column), and linear
        beyond.
    scale : float
        Mean loss of the constant prediction in the training rows: what `credit` is measured by.
    """

    def __init__(self, reduction: str = "none", loss: str = "squared_error", scale: float = 1.0):
        super().__init__()
        self.loss = loss
        self.scale = scale

    def forward(self, outputs: Tensor, y: Tensor) -> Tensor:
        """Loss of every row."""
        return NUMBER_LOSSES[self.loss](outputs, y, reduction="none").mean(dim=1)

    def credit(self, outputs: Tensor, y: Tensor) -> Tensor:
        """``exp(-loss / scale)``, of shape (batch,)."""
        return torch.exp(-self(outputs, y) / self.scale)

    def doubt(self, outputs: Tensor) -> Tensor | None:
        """None: a number does not say how sure it is."""
        return None

    def hits(self, outputs: Tensor, y: Tensor) -> Tensor | None:
        """None: numbers are not right or wrong."""
        return None

    def figures(self, outputs: Tensor, y: Tensor, log_p: Tensor | None = None) -> dict[str, Tensor]:
        """Confidence and loss of every row."""
        loss = self(outputs, y)
        return {"confidence": torch.exp(-loss / self.scale), "loss": loss}


TargetLoss = ClassLoss | LabelLoss | NumberLoss


def proba(target: Target, outputs: Tensor) -> Tensor:
    """Probabilities of the classes, or of each label, in the precision of the outputs."""
    return _softmax(outputs) if target.kind == CLASSES else torch.sigmoid(outputs)


def _softmax(z: Tensor) -> Tensor:
    """Softmax of every row; of few columns in less than a fifth of torch's own time."""
    if z.shape[1] > _FEW_COLUMNS:
        return F.softmax(z, dim=1)
    e = (z - z.amax(dim=1, keepdim=True)).exp()
    return e / e.sum(dim=1, keepdim=True)


def log_proba(target: Target, outputs: Tensor) -> Tensor:
    """Logarithms of `proba`."""
    return F.log_softmax(outputs, dim=1) if target.kind == CLASSES else F.logsigmoid(outputs)


def criterion_settings(
    target: Target, loss: str = "squared_error", scale: float = 1.0
) -> dict[str, Any]:
    """Skorch's settings for the criterion of a target; `loss` and `scale` are of numbers."""
    if target.kind == CLASSES:
        return {"criterion": ClassLoss, "criterion__reduction": "none"}
    if target.kind == LABELS:
        return {"criterion": LabelLoss}
    return {"criterion": NumberLoss, "criterion__loss": loss, "criterion__scale": scale}


def loss_of_a_constant(coded: Any, weight: Any, loss: str) -> float:
    """Mean loss of predicting 0, the mean of standardised numbers; 1 where that loses nothing."""
    numbers = torch.as_tensor(coded, dtype=torch.float64)
    losses = NumberLoss(loss=loss)(torch.zeros_like(numbers), numbers)
    share = torch.ones_like(losses) if weight is None else torch.as_tensor(weight).double()
    return float((share * losses).sum() / share.sum()) or 1.0


def weighted_mean_loss(losses: Tensor, weight: Tensor | None, mask: Tensor | None = None) -> Tensor:
    """``sum_i w_i l_i / sum_i w_i`` over the rows of a batch.

    Rows outside `mask` add nothing to the numerator but stay in the denominator: a loss that
    concerns few rows weighs little.
    """
    if mask is not None:
        losses = torch.where(
            mask, losses, torch.zeros((), dtype=losses.dtype, device=losses.device)
        )
    if weight is None:
        return losses.mean()
    return (weight * losses).sum() / weight.sum()


def mean_where(losses: Tensor, weight: Tensor | None, here: Tensor) -> Tensor:
    """``sum_i w_i l_i / sum_i w_i`` over the rows in `here` alone, denominator and all."""
    share = here.to(losses.dtype) if weight is None else torch.where(here, weight, 0)
    return (share * torch.where(here, losses, 0)).sum() / share.sum()


def mean_criterion(
    criterion: Any, outputs: Tensor, y: Tensor, weight: Tensor | None, mask: Tensor | None = None
) -> Tensor:
    """Weighted mean of a criterion that gives a loss per row."""
    if (
        weight is None
        and mask is None
        and type(criterion).forward is nn.CrossEntropyLoss.forward
        and criterion.weight is None
    ):  # the same number in one kernel instead of three
        return F.cross_entropy(outputs, y, label_smoothing=criterion.label_smoothing)
    return weighted_mean_loss(criterion(outputs, y), weight, mask)


def of_each(figure: Callable[..., Any], outputs: Tensor, y: Tensor) -> Tensor:
    """A figure of every row by modality (n_modalities, n_rows), of outputs that are stacked."""
    repeated = y.repeat(len(outputs), *[1] * (y.ndim - 1))
    return figure(outputs.flatten(0, 1), repeated).view(outputs.shape[:2])


def _mean_of_each(
    criterion: Any,
    outputs: Mapping[str, Tensor],
    y: Tensor,
    weight: Tensor | None,
    present: Mapping[str, Tensor] | None,
) -> Tensor:
    """`mean_criterion` of every modality, (n_modalities,)."""
    together = stacked_of(outputs)
    assert together is not None
    losses = of_each(criterion, together, y)
    if present is not None:
        losses = torch.where(masks_of(present, outputs), losses, losses.new_zeros(()))
    return losses.mean(1) if weight is None else losses @ weight / weight.sum()


def unimodal_losses(
    criterion: Any,
    outputs: Mapping[str, Tensor],
    y: Tensor,
    weight: Tensor | None = None,
    present: Mapping[str, Tensor] | None = None,
) -> dict[str, Tensor]:
    """The criterion of every modality's own outputs over the rows that have it."""
    together = stacked_of(outputs)
    if together is not None:
        return Aligned(list(outputs), _mean_of_each(criterion, outputs, y, weight, present))
    return {
        name: mean_criterion(criterion, z, y, weight, None if present is None else present[name])
        for name, z in outputs.items()
    }
