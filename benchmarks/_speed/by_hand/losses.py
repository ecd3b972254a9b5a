"""Methods that are a loss, and what it is computed from."""

from __future__ import annotations

import copy
import math

import torch
import torch.nn.functional as F
from torch import nn

from ..timing import batches, make_optimizer
from .loop import (
    N_CLASSES,
    WIDTH,
    LateLoop,
    Loop,
    credits_of,
    of_truth,
    random_partners,
    sum_of_own,
)


class CML(Loop):
    """Confidence may not rise when a modality, drawn for each batch, is taken away."""

    has_heads = False

    def loss(self, us, own, fused, codes):
        k = int(torch.randint(2, ()))
        left = self.net.terms(us)[k] + self.net.out.bias
        rise = left.softmax(dim=1).amax(dim=1) - fused.softmax(dim=1).amax(dim=1)
        only_left_is_right = (left.argmax(dim=1) == codes) & (fused.argmax(dim=1) != codes)
        penalty = torch.where(only_left_is_right, 0, rise.clamp_min(0)).mean()
        return F.cross_entropy(fused, codes) + F.cross_entropy(left, codes) + 0.1 * penalty


class DGL(Loop):
    """The fused loss stops at the embeddings, and encoders learn from their own losses."""

    def fuse(self, us, own, codes):
        return self.net.out(torch.cat([u.detach() for u in us], dim=1))


class Independent(LateLoop):
    """Each modality learns by its own loss alone."""

    def loss(self, us, own, fused, codes):
        return sum_of_own(own, codes)


class LFM(LateLoop):
    """Jensen-Shannon divergence of the predictions, with a weight that falls from 0.8 to 0.2."""

    def loss(self, us, own, fused, codes):
        share = 0.8 - 0.6 * self.epoch / (self.n_epochs - 1)
        log_p = F.log_softmax(torch.stack(own), dim=2)
        log_mean = log_p.logsumexp(dim=0) - math.log(2)
        apart = (log_p.exp() * (log_p - log_mean)).sum(dim=2).mean()
        return (1 - share) * F.cross_entropy(fused, codes) + share * apart


class MBSD(Loop):
    """On each row that one of them has right, the surer modality teaches the other."""

    def loss(self, us, own, fused, codes):
        log_p = [F.log_softmax(z, dim=1) for z in own]
        first, second = (p.detach().gather(1, codes[:, None]).exp() for p in log_p)
        one, two = ((z.argmax(dim=1) == codes)[:, None] for z in own)
        gap = torch.where(one | two, (first - second).abs(), 0)[:, 0]
        leads = first > second
        teacher = torch.where(leads, *log_p).detach()
        learner = torch.where(leads, *log_p[::-1])
        p = teacher.exp()
        apart = (p - learner.exp()).square().mean(dim=1) + (p * (teacher - learner)).sum(dim=1)
        return super().loss(us, own, fused, codes) + (gap * apart).mean()


class MCR(Loop):
    """Encoders compete for how much the prediction changes when theirs is another row's."""

    unimodal_weight = 0.5

    def loss(self, us, own, fused, codes):
        one, two = (term + self.net.out.bias / 2 for term in self.net.terms(us))
        says = self.say(one, two) + self.say(two, one)
        return super().loss(us, own, fused, codes) + 0.1 * (says - says.detach())

    def say(self, part, rival):
        """How much a part says; its own gradient is turned round, for it wants more of it."""
        part = 2 * part.detach() - part
        log_p = F.log_softmax(part + rival, dim=1)
        log_q = F.log_softmax(part[random_partners(len(part), self.device)] + rival, dim=1)
        log_m = torch.logaddexp(log_p, log_q) - math.log(2)
        return (log_p.exp() * (log_p - log_m) + log_q.exp() * (log_q - log_m)).sum(dim=1).mean() / 2


class MIDAS(Loop):
    """One modality of a row comes from another row, and both rows' classes are right."""

    def begin_epoch(self):
        self.alpha = torch.ones(2, device=self.device)

    def loss(self, us, own, fused, codes):
        if self.epoch < self.n_epochs // 10:
            return sum_of_own(own, codes)
        return super().loss(us, own, fused, codes) + self.misaligned(us, own, codes)

    def misaligned(self, us, own, codes):
        partner, swapped = random_partners(len(codes), self.device), int(torch.randint(2, ()))
        other = codes[partner]
        mixed = list(us)
        mixed[swapped] = us[swapped][partner]
        log_p = F.log_softmax(self.net.out(torch.cat(mixed, dim=1)), dim=1)
        truth = torch.stack([other if k == swapped else codes for k in range(2)], dim=1)
        log_p = log_p.gather(1, truth)
        with torch.no_grad():
            told = (codes != other).to(log_p.dtype)
            credits = [of_truth(z, codes) for z in own]
            credits[swapped] = credits[swapped][partner]
            shares = torch.stack(credits, dim=1)
            shares = shares / shares.sum(dim=1, keepdim=True)
            means, gaps = told @ torch.stack([shares, shares - log_p.softmax(dim=1)]) / told.sum()
            grown = (self.alpha + 0.05 * gaps.sign()).clamp_min(1)
            self.alpha = torch.where(means < means.flip(0), grown, 1)
            alike = F.cosine_similarity(us[swapped], mixed[swapped], dim=1)
        losses = -(self.alpha * shares * log_p).sum(dim=1) * (1 + (1 + alike) / 2)
        return (told * losses).mean()


class MMCosine(Loop):
    """The fused classifier adds up cosines."""

    def fuse(self, us, own, codes):
        blocks = self.net.out.weight.split(WIDTH, dim=1)
        first, second = (
            F.normalize(u, dim=1) @ F.normalize(block, dim=1).t()
            for u, block in zip(us, blocks, strict=True)
        )
        return 10.0 * (first + second)


class PMR(Loop):
    """A modality that is behind learns from the distances to its class means too."""

    @torch.no_grad()
    def begin_epoch(self):
        member = F.one_hot(self.target, N_CLASSES).to(self.xs[0].dtype)
        member = member / member.sum(dim=0)
        self.means = [member.t() @ u for u in self.net.embed(self.xs)]

    def loss(self, us, own, fused, codes):
        near = [-torch.cdist(u, means) for u, means in zip(us, self.means, strict=True)]
        credits = credits_of(near, codes)
        behind = (credits.flip(0) / credits - 1).clamp(0, 1)
        pulls = torch.stack([F.cross_entropy(z, codes) for z in near])
        return super().loss(us, own, fused, codes) + behind @ pulls


class UMT(Loop):
    """Every embedding stays near that of an encoder which was trained on its modality alone."""

    def prepare(self):
        self.extras = [self.taught(k) for k in range(2)]

    def taught(self, k):
        """What the teacher of a modality makes of all rows."""
        encoder = copy.deepcopy(self.net.encoders[k])
        teacher = nn.Sequential(encoder, nn.Linear(WIDTH, N_CLASSES)).to(self.device)
        optimizer = make_optimizer(teacher)
        for _ in range(self.n_epochs):
            total = torch.zeros((), device=self.device)
            right = torch.zeros((), device=self.device)
            for (x,), codes in batches([self.xs[k]], self.target, self.batch_size, "slice"):
                optimizer.zero_grad(set_to_none=True)
                logits = teacher(x)
                loss = F.cross_entropy(logits, codes)
                loss.backward()
                optimizer.step()
                total += loss.detach() * len(codes)
                right += (logits.detach().argmax(dim=1) == codes).sum()
            total.item(), right.item()
        with torch.no_grad():
            return encoder(self.xs[k])

    def loss(self, us, own, fused, codes):
        first, second = (F.mse_loss(u, told) for u, told in zip(us, self.beside, strict=True))
        return super().loss(us, own, fused, codes) + 10.0 * (first + second)
