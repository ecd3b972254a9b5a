"""The loop that those of all methods are made of, and the network that it trains."""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..timing import SIZES, as_tensors, batches, make_encoders, make_optimizer

N_CLASSES, WIDTH = 10, 64


class Net(nn.Module):
    """Two encoders; a linear head on each embedding, a linear layer on both, or all of these."""

    def __init__(self, heads: bool, out: bool):
        super().__init__()
        self.encoders = make_encoders()
        self.heads = nn.ModuleList(nn.Linear(WIDTH, N_CLASSES) for _ in SIZES if heads)
        self.out = nn.Linear(2 * WIDTH, N_CLASSES) if out else None

    def embed(self, xs: list[Tensor]) -> list[Tensor]:
        return [encoder(x) for encoder, x in zip(self.encoders, xs, strict=True)]

    def own(self, us: list[Tensor]) -> list[Tensor]:
        """Logits of the heads; none where there are none."""
        return [head(u) for head, u in zip(self.heads, us, strict=False)]

    def terms(self, us: list[Tensor]) -> list[Tensor]:
        """What each embedding adds to the fused logits, besides the bias."""
        blocks = self.out.weight.split(WIDTH, dim=1)
        return [u @ block.t() for u, block in zip(us, blocks, strict=True)]


class Loop:
    """Joint training by the fused loss and, times a weight, the modalities' own.

    A method overrides what is its own: how it fuses, its loss, what it does with gradients before
    a step and with weights after it, a whole step, or what comes before an epoch.
    """

    unimodal_weight = 1.0
    has_heads = has_out = True

    def __init__(self, X, y, batch_size: int, n_epochs: int, device: torch.device):
        self.xs, self.target = as_tensors(X, y, device)
        self.batch_size, self.n_epochs, self.device = batch_size, n_epochs, device
        self.net = self.make_net().to(device)
        self.optimizer = make_optimizer(self.net)
        #: what a method knows of each row; `beside` has it of the rows of the batch
        self.extras: list[Tensor] = []
        self.beside: list[Tensor] = []
        self.prepare()

    def fit(self) -> Loop:
        for epoch in range(self.n_epochs):
            self.epoch = epoch
            self.begin_epoch()
            total = torch.zeros((), device=self.device)
            right = torch.zeros((), device=self.device)
            n_rows = 0
            for number, (batch, codes) in enumerate(self.batches()):
                self.number = number
                xs, self.beside = batch[:2], batch[2:]
                loss, fused = self.step(xs, codes)
                total += loss.detach() * len(codes)
                right += (fused.detach().argmax(dim=1) == codes).sum()
                n_rows += len(codes)
            self.loss_of_epoch, self.accuracy = total.item() / n_rows, right.item() / n_rows
        return self

    def batches(self) -> Iterator[tuple[list[Tensor], Tensor]]:
        return batches([*self.xs, *self.extras], self.target, self.batch_size, "slice")

    def step(self, xs: list[Tensor], codes: Tensor) -> tuple[Tensor, Tensor]:
        self.optimizer.zero_grad(set_to_none=True)
        us = self.net.embed(xs)
        own = self.net.own(us)
        fused = self.fuse(us, own, codes)
        loss = self.loss(us, own, fused, codes)
        loss.backward()
        self.after_backward(us, own, codes)
        self.optimizer.step()
        self.after_step()
        return loss, fused

    def fuse(self, us: list[Tensor], own: list[Tensor], codes: Tensor) -> Tensor:
        return self.net.out(torch.cat(us, dim=1))

    def loss(self, us: list[Tensor], own: list[Tensor], fused: Tensor, codes: Tensor) -> Tensor:
        loss = F.cross_entropy(fused, codes)
        return loss + self.unimodal_weight * sum_of_own(own, codes) if own else loss

    # -- moments in which nothing happens by itself ----------------------------------------

    def make_net(self) -> nn.Module:
        return Net(self.has_heads, self.has_out)

    def prepare(self) -> None:
        """Before the first epoch."""

    def begin_epoch(self) -> None:
        """Before every epoch."""

    def after_backward(self, us: list[Tensor], own: list[Tensor], codes: Tensor) -> None:
        """Between gradients and step."""

    def after_step(self) -> None:
        """After the step."""


class LateLoop(Loop):
    """Training by the loss of the mean of the heads' logits."""

    has_out = False

    def fuse(self, us, own, codes):
        first, second = own
        return (first + second) / 2

    def loss(self, us, own, fused, codes):
        return F.cross_entropy(fused, codes)


def sum_of_own(own: list[Tensor], codes: Tensor) -> Tensor:
    """Both modalities' own losses."""
    first, second = own
    return F.cross_entropy(first, codes) + F.cross_entropy(second, codes)


def of_truth(logits: Tensor, codes: Tensor) -> Tensor:
    """Probability of the true class on each row."""
    return logits.softmax(dim=1).gather(1, codes[:, None])[:, 0]


def credits_of(own: list[Tensor], codes: Tensor) -> Tensor:
    """Mean probability of the true class by each modality."""
    return torch.stack([of_truth(z.detach(), codes).mean() for z in own])


def random_partners(n: int, device: torch.device) -> Tensor:
    """Another row for every row: the next in a random circle."""
    order = torch.randperm(n, device=device)
    partner = torch.empty_like(order)
    partner[order] = order.roll(-1)
    return partner
