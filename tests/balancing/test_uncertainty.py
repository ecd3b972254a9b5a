"""Which modality a row goes to."""

import math

import pytest
import torch

from sk_mmbalance.balancing._uncertainty import assign, uncertainty


def random_scores(n=300, n_modalities=3, seed=0):
    return torch.rand(n, n_modalities, generator=torch.Generator().manual_seed(seed))


def test_largest_entropy_is_smallest_divergence_from_uniform():
    logits = torch.randn(4, 200, 6, generator=torch.Generator().manual_seed(0)).double()
    codes = torch.zeros(200, dtype=torch.int64)
    entropy = torch.stack([uncertainty(z, codes) for z in logits], dim=1)
    p = torch.softmax(logits, dim=2)
    divergence = (p * (6 * p).log()).sum(dim=2).T
    assert torch.equal(assign(entropy), divergence.argmin(dim=1))
    torch.testing.assert_close(entropy, math.log(6) - divergence)


def test_label_criterion_keeps_the_smallest_probability_of_the_true_class():
    logits = torch.randn(3, 50, 4, generator=torch.Generator().manual_seed(0))
    codes = torch.arange(50) % 4
    scores = torch.stack([uncertainty(z, codes, criterion="label") for z in logits], dim=1)
    p = torch.softmax(logits, dim=2)[:, torch.arange(50), codes].T
    assert torch.equal(assign(scores), p.argmin(dim=1))


def test_temperature_divides_the_logits():
    logits = torch.randn(20, 4, generator=torch.Generator().manual_seed(0))
    codes = torch.zeros(20, dtype=torch.int64)
    cooled = uncertainty(logits, codes, temperature=2.0)
    torch.testing.assert_close(cooled, uncertainty(logits / 2, codes))
    assert (cooled > uncertainty(logits, codes)).all()


def test_extreme_logits_have_finite_entropy():
    logits = torch.tensor([[1e4, -1e4, 0.0]])
    assert uncertainty(logits, torch.tensor([0])).item() == 0


def test_ties_go_to_the_first_modality():
    assert assign(torch.ones(5, 3)).tolist() == [0] * 5
    present = torch.tensor([[False, True, True]] * 5)
    assert assign(torch.ones(5, 3), present).tolist() == [1] * 5


def test_rows_go_to_modalities_they_have():
    scores = random_scores()
    present = torch.rand(scores.shape, generator=torch.Generator().manual_seed(1)) < 0.5
    present[~present.any(dim=1), 2] = True
    chosen = assign(scores, present)
    assert present.gather(1, chosen[:, None]).all()
    best = torch.where(present, scores, -1).max(dim=1).values
    assert torch.equal(scores.gather(1, chosen[:, None])[:, 0], best)


@pytest.mark.parametrize("min_share", [0.1, 0.2, 0.25])
def test_every_modality_gets_its_minimum(min_share):
    scores = random_scores(n_modalities=4) + torch.tensor([3.0, 0, 0.5, 0])
    assert assign(scores).bincount(minlength=4).min() == 0
    counts = assign(scores, min_share=min_share).bincount(minlength=4)
    assert counts.min() >= int(min_share * 300)


def test_minimum_moves_the_rows_that_lose_least():
    scores = random_scores(n_modalities=2) + torch.tensor([1.0, 0])
    free, held = assign(scores), assign(scores, min_share=0.3)
    moved = free != held
    assert (held[moved] == 1).all()
    assert int((held == 1).sum()) == 90  # no more than needed
    gap = scores[:, 0] - scores[:, 1]
    stayed = (free == 0) & ~moved
    assert gap[moved].max() <= gap[stayed].min()


def test_minimum_takes_from_none_that_is_at_its_own():
    scores = random_scores(n=100) + torch.tensor([0.2, 0.2, -2.0])
    counts = assign(scores, min_share=0.33).bincount(minlength=3)
    assert counts.tolist() == [34, 33, 33] or counts.min() == 33


def test_minimum_stops_when_no_row_can_move():
    scores = random_scores(n=100, n_modalities=2)
    present = torch.ones(100, 2, dtype=torch.bool)
    present[10:, 1] = False
    counts = assign(scores, present, min_share=0.5).bincount(minlength=2)
    assert counts.tolist() == [90, 10]


def test_minimum_of_zero_rows_changes_nothing():
    scores = random_scores(n=5)
    assert torch.equal(assign(scores), assign(scores, min_share=0.1))
