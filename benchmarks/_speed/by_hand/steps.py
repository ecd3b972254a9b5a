"""Methods that change gradients, or what the optimiser makes of them."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import nn

from .loop import N_CLASSES, WIDTH, LateLoop, Loop, Net, credits_of, of_truth


class ScaledSteps(Loop):
    """The optimiser's step of each encoder's matrices is scaled.

    The optimiser is of Adam's kind, which would undo a factor on a gradient.
    """

    def prepare(self):
        self.matrices = [[p for p in e.parameters() if p.ndim == 2] for e in self.net.encoders]
        self.before = []

    def factors(self, us, own, codes):
        """Of both modalities, or None."""
        raise NotImplementedError

    def after_backward(self, us, own, codes):
        factors = self.factors(us, own, codes)
        if factors is not None:
            pairs = zip(self.matrices, 1 - factors, strict=True)
            self.before = [(p, p.detach().clone(), back) for group, back in pairs for p in group]

    @torch.no_grad()
    def after_step(self):
        for p, before, back in self.before:
            p.lerp_(before, back)


class AGM(ScaledSteps):
    """The lead of each modality's part of the logits is compared with its lead so far."""

    has_heads = False

    def prepare(self):
        super().prepare()
        self.mean, self.count = torch.zeros(2, device=self.device), 0

    @torch.no_grad()
    def factors(self, us, own, codes):
        losses = torch.stack(
            [
                F.cross_entropy(term + self.net.out.bias / 2, codes, reduction="none")
                .clamp_max(-math.log(1e-8))
                .mean()
                for term in self.net.terms(us)
            ]
        )
        now, earlier = ((each.flip(0) - each).exp() for each in (losses, self.mean))
        self.count += 1
        self.mean = self.mean + (losses - self.mean) / self.count
        if self.count == 1:
            return None
        return (earlier - now).clamp_max(10.0).exp().clamp_max(2.0)


class OGM(ScaledSteps):
    """The modality that is ahead learns more slowly, and all gradients get noise."""

    @torch.no_grad()
    def factors(self, us, own, codes):
        credits = credits_of(own, codes)
        ratios = credits / credits.flip(0)
        for group in self.matrices:
            for p in group:
                p.grad += torch.randn_like(p.grad) * p.grad.std(correction=0)
        return torch.where(ratios > 1, 1 - torch.tanh(0.3 * ratios), 1)


class Priority(ScaledSteps):
    """From the sixth epoch on, the modality that was right more often leads by a factor of 2."""

    unimodal_weight = 0.5
    START = 5
    #: every fourth batch of an epoch tells who is right
    STRIDE = 4

    def begin_epoch(self):
        self.led_by = None
        if self.epoch >= self.START:
            leads = torch.arange(2, device=self.device) == self.credits.argmax()
            self.led_by = torch.where(leads, 4 / 3, 2 / 3)
        self.credits = torch.zeros(2, device=self.device)

    def factors(self, us, own, codes):
        if self.number % self.STRIDE == 0:
            self.credits += len(codes) * credits_of(own, codes)
        return self.led_by


class MMPareto(Loop):
    """Encoders take fused and own gradients combined so that neither works against the other."""

    def prepare(self):
        self.of_encoders = [list(encoder.parameters()) for encoder in self.net.encoders]

    def step(self, xs, codes):
        net, (first, second) = self.net, self.of_encoders
        us = net.embed(xs)
        a, b = net.own(us)
        fused = self.fuse(us, (a, b), codes)
        loss = F.cross_entropy(fused, codes)
        own = F.cross_entropy(a, codes) + F.cross_entropy(b, codes)
        encoders, out, heads = (
            [*first, *second],
            list(net.out.parameters()),
            [*net.heads.parameters()],
        )
        of_fused = torch.autograd.grad(loss, encoders + out, retain_graph=True)
        of_own = torch.autograd.grad(own, encoders + heads)
        n, m = len(first), len(encoders)
        gradients = [
            *pareto(of_fused[:n], of_own[:n]),
            *pareto(of_fused[n:m], of_own[n:m]),
            *of_fused[m:],
            *of_own[m:],
        ]
        for p, gradient in zip(encoders + out + heads, gradients, strict=True):
            p.grad = gradient
        before = [p.detach().clone() for p in encoders]
        self.optimizer.step()
        with torch.no_grad():
            for p, start in zip(encoders, before, strict=True):
                p.lerp_(start, 1 - 1.5)
        return loss + own, fused


def pareto(fused, own):
    """Twice the shortest convex combination of two gradients in conflict, as long as their sum."""
    f, u = (torch.cat([g.flatten() for g in each]) for each in (fused, own))
    fu = f @ u
    if fu >= 0:
        return [a + b for a, b in zip(fused, own, strict=True)]
    ff, uu = f @ f, u @ u
    c = (uu - fu) / (ff - 2 * fu + uu)
    combined = [2 * c * a + 2 * (1 - c) * b for a, b in zip(fused, own, strict=True)]
    wanted = torch.stack([(a + b).norm() for a, b in zip(fused, own, strict=True)])
    longer = (wanted / torch.stack([g.norm() for g in combined])).clamp_min(1)
    return [g * longer[k] for k, g in enumerate(combined)]


class MLA(LateLoop):
    """Modalities take turns at one head, whose gradient is turned away from the other's mean."""

    def make_net(self):
        net = Net(heads=False, out=False)
        net.head = nn.Linear(WIDTH, N_CLASSES)
        return net

    def step(self, xs, codes):
        head = self.net.head
        us = self.net.embed(xs)
        means = [u.detach().mean(dim=0) for u in us]
        own = []
        for u, of_other in zip(us, reversed(means), strict=True):
            self.optimizer.zero_grad(set_to_none=True)
            z = head(u)
            F.cross_entropy(z, codes).backward()
            with torch.no_grad():
                fed = head.weight.grad @ of_other / (of_other @ of_other + 0.1)
                head.weight.grad -= torch.outer(fed, of_other)
            self.optimizer.step()
            own.append(z.detach())
        own = torch.stack(own)
        log_p = F.log_softmax(own, dim=2)
        sure = (log_p.exp() * log_p).sum(dim=2).softmax(dim=0)
        fused = (sure[:, :, None] * own).sum(dim=0)
        return F.cross_entropy(fused, codes), fused


class ReconBoost(LateLoop):
    """Every other epoch one modality trains alone, on what the other does not know."""

    def step(self, xs, codes):
        if self.epoch % 2:
            return super().step(xs, codes)
        net, alone = self.net, self.epoch // 2 % 2
        other = 1 - alone
        with torch.no_grad():
            known = net.heads[other](net.encoders[other](xs[other]))
            weights = 1 - 0.2 * of_truth(known, codes)
        self.optimizer.zero_grad(set_to_none=True)
        z = net.heads[alone](net.encoders[alone](xs[alone]))
        loss = (weights * F.cross_entropy(z, codes, reduction="none")).mean()
        loss.backward()
        self.optimizer.step()
        return loss, (z.detach() + known) / 2


class GatedNet(nn.Module):
    """Each embedding is scaled and shifted by what the other says, and then classified."""

    def __init__(self):
        super().__init__()
        self.encoders = Net(heads=False, out=False).encoders
        self.context = nn.ModuleList(nn.Linear(WIDTH, WIDTH) for _ in range(2))
        self.film = nn.ModuleList(nn.Linear(WIDTH, 2 * WIDTH) for _ in range(2))
        self.blocks = nn.ModuleList(nn.Linear(WIDTH, N_CLASSES, bias=False) for _ in range(2))
        self.bias = nn.Parameter(torch.empty(N_CLASSES))
        for p in (*self.blocks.parameters(), self.bias):  # as one layer on both embeddings has it
            nn.init.uniform_(p, -((2 * WIDTH) ** -0.5), (2 * WIDTH) ** -0.5)


class Greedy(Loop):
    """Where gates learn faster than branches in one modality, its gates are held for a while."""

    START, THRESHOLD, WINDOW = 1, 0.01, 5

    def make_net(self):
        return GatedNet()

    def prepare(self):
        net = self.net
        gates = [[*net.film[k].parameters(), *net.context[1 - k].parameters()] for k in range(2)]
        branches = [[*net.encoders[k].parameters(), *net.blocks[k].parameters()] for k in range(2)]
        groups = [*gates, *branches]
        self.tensors = [p for group in groups for p in group]
        self.members = torch.block_diag(*(torch.ones(len(group)) for group in groups))
        self.members = self.members.to(self.device)
        self.learnt = torch.zeros(2, 2, device=self.device)
        self.mean = [torch.zeros(2 * WIDTH, device=self.device) for _ in range(2)]
        self.count = torch.zeros((), device=self.device)
        self.left = torch.zeros((), dtype=torch.int64, device=self.device)
        self.who = torch.zeros((), dtype=torch.int64, device=self.device)

    def step(self, xs, codes):
        net = self.net
        self.optimizer.zero_grad(set_to_none=True)
        us = [encoder(x) for encoder, x in zip(net.encoders, xs, strict=True)]
        regular = self.left == 0
        self.count += regular
        parts = []
        for k, u in enumerate(us):
            gates = net.film[k](net.context[1 - k](us[1 - k]))
            step = regular / self.count.clamp_min(1)
            self.mean[k] += step * (gates.detach().mean(dim=0) - self.mean[k])
            held = ~regular & (self.who == k)
            scale, shift = torch.where(held, self.mean[k], gates).chunk(2, dim=1)
            parts.append(net.blocks[k](F.relu((1 + scale) * u + shift)) + net.bias / 2)
        first, second = parts
        fused = first + second
        loss = F.cross_entropy(fused, codes)
        loss = loss + F.cross_entropy(first, codes) + F.cross_entropy(second, codes)
        loss.backward()
        self.watch(regular)
        self.optimizer.step()
        return loss, fused

    @torch.no_grad()
    def watch(self, regular):
        """Add up what was learnt, and say whose gates are held next."""
        gradients, weights = (
            self.members @ torch.stack(torch._foreach_norm(tensors)).square()
            for tensors in ([p.grad for p in self.tensors], self.tensors)
        )
        self.learnt += regular * (gradients / weights).view(2, 2)
        speeds = (self.learnt[0] / self.learnt[1]).log10()
        most, who = (speeds - speeds.flip(0)).max(dim=0)
        starts = regular & (most > self.THRESHOLD) & (self.epoch >= self.START)
        self.left = torch.where(starts, self.WINDOW, (self.left - 1).clamp_min(0))
        self.who = torch.where(starts, who, self.who)
