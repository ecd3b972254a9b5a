"""Methods that show less of some rows, more of others, or look at rows that are held out."""

from __future__ import annotations

import copy
import math

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.cluster import KMeans

from .loop import N_CLASSES, WIDTH, Loop, credits_of


class AMCo(Loop):
    """Features of the modality that the last batch depended on are masked in part."""

    def prepare(self):
        self.dependent = torch.zeros(2, 1, dtype=torch.bool, device=self.device)

    def fuse(self, us, own, codes):
        number = int(0.5 * math.sin(math.pi / 2 * min(1, self.epoch / 10)) * WIDTH)
        if number:
            order = torch.rand(2, WIDTH, device=self.device).argsort(dim=1)
            hidden = (order < number) & self.dependent
            us = [u.masked_fill(h, 0) for u, h in zip(us, hidden, strict=True)]
        return super().fuse(us, own, codes)

    @torch.no_grad()
    def after_backward(self, us, own, codes):
        energies = torch.stack([z.logsumexp(dim=1) for z in own])
        self.dependent = energies.softmax(dim=0).mean(dim=1, keepdim=True) > 0.5


class ModalityDropout(Loop):
    """For the fused classifier, rows lose modalities at random, never both."""

    def fuse(self, us, own, codes):
        lost = torch.rand(2, len(codes), device=self.device) < 0.3
        first = torch.rand(len(codes), device=self.device) < 0.5
        back = lost.all(dim=0)
        lost = lost & ~(back & torch.stack([first, ~first]))
        us = [u.masked_fill(gone[:, None], 0) for u, gone in zip(us, lost, strict=True)]
        return super().fuse(us, own, codes)


class OPM(Loop):
    """From the seventh epoch on, in most batches, rows lose the modality that is ahead."""

    START = 6

    def fuse(self, us, own, codes):
        if self.epoch >= self.START and float(torch.rand(())) < 0.7:
            credits = credits_of(own, codes)
            lead = credits / credits.flip(0)
            chances = torch.where(lead > 1, 0.5 * (1 + 0.5 * torch.tanh(lead - 1)), 0)
            lost = torch.rand(2, len(codes), 1, device=self.device) < chances[:, None, None]
            us = [u.masked_fill(gone, 0) for u, gone in zip(us, lost, strict=True)]
        return super().fuse(us, own, codes)


class Valuation(Loop):
    """From the sixth epoch on, rows come again with a modality alone that helped them little."""

    START = 5

    @torch.no_grad()
    def begin_epoch(self):
        if self.epoch < self.START:
            return
        first, second = self.net.terms(self.net.embed(self.xs))
        alone, other, both = (
            ((z + self.net.out.bias).argmax(dim=1) == self.target).float()
            for z in (first, second, first + second)
        )
        values = torch.stack([both + (alone - other) / 2, both + (other - alone) / 2])
        copies = (2 * (1 - values)).ceil().clamp(0, 3).long()
        every = torch.arange(len(self.target), device=self.device)
        again = [every.repeat_interleave(count) for count in copies]
        self.visits = torch.cat([every, *again])
        of_first = torch.arange(len(self.visits), device=self.device) < len(every) + len(again[0])
        of_row = torch.arange(len(self.visits), device=self.device) < len(every)
        self.here = [of_first, of_row | ~of_first]

    def batches(self):
        if self.epoch < self.START:
            yield from super().batches()
            return
        order = torch.randperm(len(self.visits)).to(self.device)
        numbers = self.visits[order]
        whole = [*(x[numbers] for x in self.xs), *(here[order] for here in self.here)]
        target = self.target[numbers]
        for start in range(0, len(order), self.batch_size):
            rows = slice(start, start + self.batch_size)
            yield [part[rows] for part in whole], target[rows]

    def fuse(self, us, own, codes):
        if self.beside:
            us = [u.masked_fill(~here[:, None], 0) for u, here in zip(us, self.beside, strict=True)]
        return super().fuse(us, own, codes)

    def loss(self, us, own, fused, codes):
        if not self.beside:
            return super().loss(us, own, fused, codes)
        first, second = (
            (here * F.cross_entropy(z, codes, reduction="none")).mean()
            for z, here in zip(own, self.beside, strict=True)
        )
        return F.cross_entropy(fused, codes) + first + second


class GradientBlending(Loop):
    """Losses are weighed by how much each branch generalises, and overfits, in ten epochs."""

    EVERY = 10

    def prepare(self):
        parts = [(self.target == c).nonzero()[:, 0] for c in range(N_CLASSES)]
        held = torch.zeros_like(self.target, dtype=torch.bool)
        for rows in parts:
            held[rows[torch.randperm(len(rows))[: len(rows) // 10].to(self.device)]] = True
        self.held = [x[held] for x in self.xs], self.target[held]
        self.xs, self.target = [x[~held] for x in self.xs], self.target[~held]
        self.weights, self.before = torch.full((3,), 1 / 3, device=self.device), None

    @torch.no_grad()
    def begin_epoch(self):
        if self.epoch % self.EVERY:
            return
        train, held = (self.branches(*rows) for rows in ((self.xs, self.target), self.held))
        if self.before is not None:
            train_before, held_before = self.before
            overfitted = (held - train) - (held_before - train_before)
            shares = (held_before - held).clamp_min(0) / overfitted.abs().clamp_min(0.01).square()
            self.weights = shares / shares.sum() if shares.any() else torch.full_like(shares, 1 / 3)
        self.before = train, held

    def branches(self, xs, codes):
        us = self.net.embed(xs)
        own = self.net.own(us)
        return self.losses(own, self.fuse(us, own, codes), codes)

    def losses(self, own, fused, codes):
        return torch.stack([F.cross_entropy(z, codes) for z in (*own, fused)])

    def loss(self, us, own, fused, codes):
        return self.weights @ self.losses(own, fused, codes)


class Relearning(Loop):
    """Encoders that over-fit, by clusters of embeddings, are pulled back to their first weights."""

    def prepare(self):
        held = torch.rand(len(self.target), device=self.device) < 0.1
        self.held = [x[held] for x in self.xs], self.target[held]
        self.xs, self.target = [x[~held] for x in self.xs], self.target[~held]
        self.first = copy.deepcopy(self.net.encoders)

    @torch.no_grad()
    def begin_epoch(self):
        count, rest = divmod(self.epoch, self.n_epochs // 4)
        if rest or not 0 < count <= 3 or self.epoch > 0.75 * self.n_epochs:
            return
        held, truth = self.held
        pairs = zip(self.net.embed(self.xs), self.net.embed(held), strict=True)
        for k, (u, v) in enumerate(pairs):
            parts = [(u, self.target), (v, truth)]
            gap = over_fitting(*((part.cpu().numpy(), y.cpu().numpy()) for part, y in parts))
            if gap > 0:
                self.pull(k, math.tanh(3.0 * gap))

    def pull(self, k, share):
        encoder, first = self.net.encoders[k], self.first[k]
        for p, before in zip(encoder.parameters(), first.parameters(), strict=True):
            p.lerp_(before, share)
            for kept in self.optimizer.state[p].values():
                kept.zero_()


def over_fitting(train, held):
    """How much more rows of `train` than of `held` are in clusters with the name of their class."""
    (u, y), (v, z) = train, held
    low, high = u.min(axis=0), u.max(axis=0)
    span = np.where(high > low, high - low, 1)
    u, v = (2 * (part - low) / span - 1 for part in (u, v))
    means = np.stack([u[y == c].mean(axis=0) for c in range(N_CLASSES)])
    clusters = KMeans(N_CLASSES, init=means, n_init=1).fit(u)
    counts = np.zeros((N_CLASSES, N_CLASSES))
    np.add.at(counts, (clusters.labels_, y), 1)
    names = counts.argmax(axis=1)
    return (names[clusters.labels_] == y).mean() - (names[clusters.predict(v)] == z).mean()
