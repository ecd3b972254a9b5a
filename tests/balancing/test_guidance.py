"""The formulae of negative learning, against slow and literal versions of themselves."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from sk_mmbalance.balancing._guidance import find_roles, guidance_loss
from sk_mmbalance.networks import weighted_mean


def log_softmax(logits):
    return torch.log_softmax(logits, dim=2)


def draw(n_modalities=3, n_classes=5, n=200, seed=0):
    """Random logits ``(n, M, C)``, their mean, and classes."""
    generator = torch.Generator().manual_seed(seed)
    shape = (n, n_modalities, n_classes)
    logits = 2 * torch.randn(shape, generator=generator, dtype=torch.float64)
    codes = torch.randint(n_classes, (n,), generator=generator)
    return logits, logits.mean(dim=1), codes


def naive_pair_loss(z_a, z_b, fused, y, negative_weight, target_boost):
    """The published rule for one row of two modalities, literally."""
    p = {name: torch.softmax(z, 0) for name, z in (("a", z_a), ("b", z_b))}
    order = torch.softmax(fused, 0).argsort(descending=True).tolist()
    j = next(c for c in order if c != y)
    xi = {"a": z_a[y] - z_a[j], "b": z_b[y] - z_b[j]}
    loss = torch.zeros((), dtype=fused.dtype)
    for guide, guided in (("a", "b"), ("b", "a")):
        if xi[guide] > xi[guided] and p[guide][y] > p[guided][y]:
            q = p[guided]
            loss = loss - target_boost * torch.log(q[y])
            for c in range(len(fused)):
                if c != y:
                    loss = loss - negative_weight * p[guide][c].detach() * torch.log(q[c])
    return loss


def test_two_modalities_follow_the_published_rule():
    logits, fused, codes = draw(n_modalities=2)
    roles = find_roles(logits, log_softmax(logits), fused, codes)
    ours = guidance_loss(log_softmax(logits), codes, roles.guides, 0.7, 1.0)
    naive = [
        naive_pair_loss(z[0], z[1], f, int(y), 0.7, 1.0)
        for z, f, y in zip(logits, fused, codes, strict=True)
    ]
    torch.testing.assert_close(ours, torch.stack(naive))
    assert 0.5 < roles.guides.sum(dim=(1, 2)).mean() < 1  # where the criteria differ, nobody


def test_guide_of_many_is_the_one_with_the_largest_margin():
    logits, fused, codes = draw(n_modalities=4)
    roles = find_roles(logits, log_softmax(logits), fused, codes)
    p = torch.softmax(logits, dim=2)
    for i, y in enumerate(codes.tolist()):
        wrong = [c for c in range(5) if c != y]
        j = max(wrong, key=lambda c: float(fused[i, c]))
        xi = [float(logits[i, m, y] - logits[i, m, j]) for m in range(4)]
        for k in range(4):
            dom = [m for m in range(4) if xi[m] > xi[k] and p[i, m, y] > p[i, k, y]]
            expected = torch.zeros(4, dtype=torch.float64)
            if dom:
                expected[max(dom, key=lambda m: xi[m])] = 1
            assert torch.equal(roles.guides[i, :, k], expected)


def test_mean_guide_is_the_mean_loss_over_all_who_may_guide():
    logits, fused, codes = draw(n_modalities=3)
    roles = find_roles(logits, log_softmax(logits), fused, codes, guide="mean")
    ours = guidance_loss(log_softmax(logits), codes, roles.guides, 1.0, 0.0)
    log_q = F.log_softmax(logits, dim=2)
    p = log_q.exp()
    expected = torch.zeros_like(ours)
    for i, y in enumerate(codes.tolist()):
        for k in range(3):
            dom = torch.nonzero(roles.guides[i, :, k])[:, 0].tolist()
            each = [-sum(p[i, m, c] * log_q[i, k, c] for c in range(5) if c != y) for m in dom]
            if each:
                expected[i] += sum(each) / len(each)
    torch.testing.assert_close(ours, expected)
    counts = (roles.guides > 0).sum(dim=1)
    assert (counts == 2).any()


@pytest.mark.parametrize("negative", ["cross_entropy", "renormalised"])
def test_guidance_is_a_strict_order_and_ties_guide_nobody(negative):
    logits, fused, codes = draw()
    guides = find_roles(logits, log_softmax(logits), fused, codes).guides
    assert not torch.diagonal(guides, dim1=1, dim2=2).any()
    assert not (guides * guides.transpose(1, 2)).any()
    same = logits[:, :1].expand(-1, 3, -1)
    roles = find_roles(same, log_softmax(same), same.mean(dim=1), codes)
    assert not roles.guides.any()
    assert not guidance_loss(
        log_softmax(same), codes, roles.guides, 0.7, 1.0, negative == "renormalised"
    ).any()


def test_equal_margins_are_equal_whatever_else_the_logits_are():
    """Among logits that are whole numbers equals are frequent; no rounding tells them apart."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randint(-3, 4, (400, 2, 4), generator=generator).double()
    codes = torch.randint(0, 4, (400,), generator=generator)
    roles = find_roles(logits, log_softmax(logits), logits.mean(dim=1), codes)
    margins = roles.margins
    assert (margins == margins.round()).all()
    tied = margins[:, 0] == margins[:, 1]
    assert tied.sum() > 30
    assert not roles.guides[tied].any()


@pytest.mark.parametrize("weights", [{"a": 1.0, "b": 1.0, "c": 1.0}, {"a": 0.2, "b": 3.0, "c": 1}])
def test_weighted_margins_sum_to_the_fused_margin(weights):
    logits, _, codes = draw()
    by_name = {name: logits[:, m] for m, name in enumerate(weights)}
    fused = weighted_mean(by_name, weights, None)
    margins = find_roles(logits, log_softmax(logits), fused, codes).margins
    shares = torch.tensor(list(weights.values()), dtype=torch.float64) / sum(weights.values())
    rows = torch.arange(len(codes))
    best_wrong = fused.scatter(1, codes[:, None], -math.inf).max(dim=1).values
    torch.testing.assert_close(margins @ shares, fused[rows, codes] - best_wrong)


@pytest.mark.parametrize("renormalised", [False, True])
@pytest.mark.parametrize("target_boost", [0.0, 1.0])
def test_no_gradient_reaches_the_guide(renormalised, target_boost):
    logits, fused, codes = draw(n_modalities=2)
    logits.requires_grad_()
    roles = find_roles(logits, log_softmax(logits), fused.requires_grad_(), codes)
    guidance_loss(
        log_softmax(logits), codes, roles.guides, 0.7, target_boost, renormalised
    ).sum().backward()
    guided = roles.guides.sum(dim=1).bool()  # (n, M)
    assert guided.any(dim=0).all()
    assert not logits.grad[~guided].any()
    assert logits.grad[guided].any(dim=1).all()
    assert fused.grad is None


def test_gradient_on_the_guided_logits_is_the_closed_form():
    """``(1 - p_y) q_k - 1{k != y} p_k``: on the true class it is not negative."""
    logits, fused, codes = draw(n_modalities=2)
    logits.requires_grad_()
    roles = find_roles(logits, log_softmax(logits), fused, codes)
    guidance_loss(log_softmax(logits), codes, roles.guides, 1.0, 0.0).sum().backward()
    probabilities = torch.softmax(logits.detach(), dim=2)
    for i, m, k in torch.nonzero(roles.guides).tolist():
        p, q, y = probabilities[i, m], probabilities[i, k], codes[i]
        expected = (1 - p[y]) * q - torch.where(torch.arange(5) != y, p, 0)
        torch.testing.assert_close(logits.grad[i, k], expected)
        assert logits.grad[i, k, y] >= 0


def test_renormalised_term_is_a_divergence_and_leaves_the_true_class_alone():
    logits, fused, codes = draw(n_modalities=2)
    logits.requires_grad_()
    roles = find_roles(logits, log_softmax(logits), fused, codes)
    loss = guidance_loss(log_softmax(logits), codes, roles.guides, 1.0, 0.0, renormalised=True)
    loss.sum().backward()
    for i, m, k in torch.nonzero(roles.guides).tolist():
        wrong = [c for c in range(5) if c != codes[i]]
        p, q = torch.softmax(logits[i, [m, k]][:, wrong].detach(), dim=1)
        torch.testing.assert_close(loss[i].detach(), (p * (p / q).log()).sum())
        assert abs(logits.grad[i, k, codes[i]]) < 1e-12


def test_two_classes_always_guide_and_the_term_is_label_smoothing():
    logits, fused, codes = draw(n_modalities=2, n_classes=2)
    roles = find_roles(logits, log_softmax(logits), fused, codes)
    assert roles.guides.sum(dim=(1, 2)).eq(1).all()
    p = torch.softmax(logits, dim=2)[torch.arange(len(codes)), :, codes]  # of the true class
    guide, guided = p.max(dim=1).values, p.min(dim=1).values
    torch.testing.assert_close(
        guidance_loss(log_softmax(logits), codes, roles.guides, 1.0, 0.0),
        -(1 - guide) * torch.log(1 - guided),
    )
    renormalised = guidance_loss(
        log_softmax(logits), codes, roles.guides, 1.0, 0.0, renormalised=True
    )
    torch.testing.assert_close(renormalised, torch.zeros_like(renormalised))


def test_absent_modalities_neither_guide_nor_are_guided():
    logits, _, codes = draw(n_modalities=3)
    generator = torch.Generator().manual_seed(3)
    present = torch.rand(len(codes), 3, generator=generator) < 0.6
    present[~present.any(dim=1), 0] = True
    masks = {m: present[:, m] for m in range(3)}
    fused = weighted_mean({m: logits[:, m] for m in range(3)}, dict.fromkeys(masks, 1.0), masks)
    roles = find_roles(logits, log_softmax(logits), fused, codes, present)
    assert not roles.guides[~present].any()
    assert not roles.guides.transpose(1, 2)[~present].any()
    wild = torch.where(present[:, :, None], logits, 1e6)
    same = find_roles(wild, log_softmax(wild), fused, codes, present)
    assert torch.equal(same.guides, roles.guides)


def test_required_guides_predict_the_true_class():
    logits, fused, codes = draw(n_modalities=2)
    free = find_roles(logits, log_softmax(logits), fused, codes)
    strict = find_roles(logits, log_softmax(logits), fused, codes, require_correct=True)
    right = (logits.argmax(dim=2) == codes[:, None]).to(logits.dtype)
    assert torch.equal(strict.guides, free.guides * right[:, :, None])
    assert strict.guides.sum() < free.guides.sum()


@pytest.mark.parametrize("renormalised", [False, True])
def test_extreme_logits_give_finite_losses_and_gradients(renormalised):
    logits = torch.tensor([[[80.0, -80, 0], [-80, 80, 0]]], requires_grad=True)
    codes = torch.tensor([0])
    roles = find_roles(
        logits.detach(), log_softmax(logits.detach()), logits.detach().mean(dim=1), codes
    )
    loss = guidance_loss(log_softmax(logits), codes, roles.guides, 0.7, 1.0, renormalised)
    loss.sum().backward()
    assert np.isfinite(loss.item())
    assert torch.isfinite(logits.grad).all()


@pytest.mark.parametrize("require_correct", [False, True])
@pytest.mark.parametrize("lacking", [False, True])
def test_best_guides_of_many_are_those_of_all_pairs(require_correct, lacking):
    logits, fused, codes = draw(n_modalities=40, n_classes=3, n=60)
    logits[:, 7] = logits[:, 3]  # equals guide nobody, and the first of equals guides
    logits[:5] = logits[:5].round()
    present = None
    if lacking:
        present = torch.rand(60, 40, generator=torch.Generator().manual_seed(1)) > 0.3
    log_p = log_softmax(logits)
    pairs = find_roles(logits, log_p, fused, codes, present, require_correct=require_correct)
    margins, guide = find_roles(
        logits, log_p, fused, codes, present, require_correct=require_correct, in_pairs=False
    )
    assert torch.equal(margins, pairs.margins)
    one_hot = F.one_hot(guide.clamp_min(0), 40) * (guide >= 0)[:, :, None]
    assert torch.equal(one_hot.transpose(1, 2), pairs.guides.long())
    for renormalised in (False, True):
        options = (0.7, 1.0, renormalised)
        torch.testing.assert_close(
            guidance_loss(log_p, codes, guide, *options),
            guidance_loss(log_p, codes, pairs.guides, *options),
            rtol=0,
            atol=1e-12,
        )


def test_best_guides_of_many_networks_at_once():
    logits, fused, codes = draw(n_modalities=40, n_classes=3, n=20)
    both = torch.stack([logits, logits.flip(1)])

    def guide_of(z):
        return find_roles(z, log_softmax(z), fused, codes, in_pairs=False).guides

    found = torch.vmap(guide_of)(both)
    assert torch.equal(found, torch.stack([guide_of(z) for z in both]))
