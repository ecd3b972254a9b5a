"""Networks with code of their own are tried on a copy before they are put into a stack."""

import random

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from sk_mmbalance import DeepEnsembleClassifier
from sk_mmbalance.model_selection import VectorizedGridSearchCV
from sk_mmbalance.networks import ClassLoss
from tests.model_selection._compare import classifier, make_rows, search_both

RATES = {"lr": [0.003, 0.01, 0.02, 0.05]}
DRAWS = "the network draws at random in every step"


class Encoder(nn.Module):
    """A linear layer, and then what a subclass does in training."""

    def __init__(self, input_shape, embedding_dim):
        super().__init__()
        self.layer = nn.Linear(input_shape[0], embedding_dim)

    def forward(self, x):
        h = self.layer(x)
        return self.noisy(h) if self.training else h

    def noisy(self, h):
        return h


class Dropping(Encoder):
    def noisy(self, h):
        return F.dropout(h, 0.5)


class WithTorch(Encoder):
    def noisy(self, h):
        return h + 0.1 * torch.randn_like(h)


class WithNumpy(Encoder):
    def noisy(self, h):
        return h * (1 + 0.1 * np.random.rand())  # noqa: NPY002


class WithPython(Encoder):
    def noisy(self, h):
        return h * random.uniform(0.9, 1.1)


class RunningMean(Encoder):
    """Keeps a mean of its own."""

    def __init__(self, input_shape, embedding_dim):
        super().__init__(input_shape, embedding_dim)
        self.register_buffer("mean", torch.zeros(embedding_dim, dtype=torch.float64))

    def forward(self, x):
        h = self.layer(x)
        if self.training:
            self.mean.mul_(0.9).add_(0.1 * h.detach().mean(dim=0))
        return h - self.mean


def reasons(encoder, **params):
    X, y = make_rows(n=40)
    net = classifier(max_epochs=2, backbones=encoder, **params)
    search = VectorizedGridSearchCV(net, RATES, cv=2, stack=True, refit=False).fit(X, y)
    return search.vectorized_["reason"].unique().tolist()


@pytest.mark.parametrize("encoder", [Dropping, WithTorch, WithNumpy, WithPython])
def test_code_that_draws_keeps_a_network_out_of_a_stack(encoder):
    assert reasons(encoder) == [DRAWS]


def test_code_that_draws_nothing_does_not():
    assert reasons(Encoder) == [""]


def test_a_loss_that_draws_does_too():
    class Shaken(ClassLoss):
        def forward(self, logits, y):
            return super().forward(logits + 0.1 * torch.randn_like(logits), y)

    assert reasons("mlp", net_params={"criterion": Shaken}) == [DRAWS]


@pytest.mark.parametrize("encoder", [Dropping, RunningMean])
def test_results_are_those_of_training_one_after_another(encoder):
    X, y = make_rows()
    net = classifier(max_epochs=4, backbones=encoder)
    both = search_both(net, RATES, X, y, stack="auto")
    assert both.apart < 1e-8


def test_trying_moves_no_generator():
    X, y = make_rows(n=40)
    net = classifier(max_epochs=1, backbones=Dropping)
    before = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()  # noqa: NPY002
    VectorizedGridSearchCV(net, RATES, cv=2, stack=True, refit=False).fit(X, y)
    after = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()  # noqa: NPY002
    assert torch.equal(before[0], after[0])
    assert before[1:] == after[1:]


def test_members_of_an_ensemble_draw_by_their_seeds():
    X, y = make_rows(n=40)
    net = classifier(max_epochs=3, backbones=Dropping)
    together, alone = (
        DeepEnsembleClassifier(net, n_estimators=3, random_state=0, stack=stack).fit(X, y)
        for stack in (True, False)
    )
    assert together.vectorized_["reason"].unique().tolist() == [DRAWS]
    np.testing.assert_array_equal(together.predict_proba(X), alone.predict_proba(X))
