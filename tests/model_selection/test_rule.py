"""Whether a stack pays is a matter of sizes alone."""

import numpy as np
import pytest
import torch
from skorch.callbacks import LRScheduler
from torch import nn

from sk_mmbalance import Modalities, MultimodalClassifier
from sk_mmbalance.balancing import OGM
from sk_mmbalance.model_selection import VectorizedGridSearchCV
from tests.model_selection._compare import classifier, make_rows


def reasons(n_candidates, width, batch_size, stack="auto", n=60):
    X, y = make_rows(n)
    clf = MultimodalClassifier(
        hidden_layer_sizes=(width,),
        embedding_dim=width,
        batch_size=batch_size,
        max_epochs=1,
        random_state=0,
        early_stopping=False,
    )
    grid = {"lr": np.geomspace(1e-4, 1e-2, n_candidates).tolist()}
    search = VectorizedGridSearchCV(clf, grid, cv=3, stack=stack, refit=False).fit(X, y)
    return search.vectorized_["reason"]


def test_many_small_networks_are_stacked_and_few_are_not():
    assert (reasons(10, 8, 16) == "").all()
    assert (reasons(1, 8, 16) == "a stack of such networks would not be faster").all()


def test_wide_networks_are_trained_one_by_one_unless_told_otherwise():
    assert (reasons(4, 700, 16) != "").all()
    assert (reasons(4, 700, 16, stack=True) == "").all()


def test_few_networks_of_a_method_that_acts_on_each_by_itself_are_not_stacked():
    X, y = make_rows(n=60)
    net = classifier(max_epochs=1, hidden_layer_sizes=(16,), balancing=OGM())
    for n_candidates, stacked in ((2, False), (16, True)):
        grid = {"balancing__alpha": np.linspace(0.1, 0.9, n_candidates).tolist()}
        search = VectorizedGridSearchCV(net, grid, cv=3, refit=False).fit(X, y)
        assert (search.vectorized_["stacked"] == stacked).all()
    plain = VectorizedGridSearchCV(
        net.set_params(balancing=None), {"lr": [0.01, 0.02]}, cv=3, refit=False
    )
    assert plain.fit(X, y).vectorized_["stacked"].all()


def test_stacking_is_turned_off():
    assert (reasons(10, 8, 16, stack=False) == "`stack=False`").all()


@pytest.mark.parametrize("stack", ["never", 2, None])
def test_other_choices_are_refused(stack):
    X, y = make_rows()
    with pytest.raises(ValueError, match="'stack' parameter"):
        VectorizedGridSearchCV(MultimodalClassifier(), {}, stack=stack).fit(Modalities(X), y)


class Recurrent(nn.RNN):
    """The last state of an RNN over the columns."""

    def __init__(self, input_shape, embedding_dim):
        super().__init__(1, embedding_dim, batch_first=True)

    def forward(self, x):
        return super().forward(x[:, :, None])[0][:, -1]


class Attending(nn.Module):
    """One token that attends to itself, with dropout."""

    def __init__(self, input_shape, embedding_dim):
        super().__init__()
        self.map = nn.Linear(input_shape[0], embedding_dim)
        self.attention = nn.MultiheadAttention(embedding_dim, 1, dropout=0.1, batch_first=True)

    def forward(self, x):
        token = self.map(x)[:, None]
        return self.attention(token, token, token)[0][:, 0]


class Spare(nn.Linear):
    """Has a parameter that takes part in nothing."""

    def __init__(self, input_shape, embedding_dim):
        super().__init__(input_shape[0], embedding_dim)
        self.spare = nn.Parameter(torch.zeros(1))


class Curious(LRScheduler):
    """A schedule of the user's own class."""


@pytest.mark.parametrize(
    ("params", "reason"),
    [
        ({"modality_lr": {"a": 2.0}}, "the optimiser has several groups of parameters"),
        ({"backbones": {"a": Recurrent}}, "Recurrent has no batched form in torch"),
        ({"backbones": {"a": Attending}}, "dropout draws at random in every step"),
        ({"backbones": {"a": Spare}}, "it cannot be run as a stack: parameters"),
        ({"lr_schedule": Curious("StepLR", step_size=1)}, "'lr_schedule' may want to hear"),
        (
            {"lr_schedule": LRScheduler("StepLR", step_size=1, step_every="batch")},
            "the learning rate changes from batch to batch",
        ),
        (
            {"lr_schedule": LRScheduler("ReduceLROnPlateau", monitor="train_accuracy")},
            "`lr_schedule` looks at 'train_accuracy'",
        ),
    ],
)
def test_what_a_stack_cannot_do_is_named_and_trained_one_by_one(params, reason):
    X, y = make_rows(n=40)
    net = classifier(max_epochs=1, **params)
    search = VectorizedGridSearchCV(net, {"lr": [0.01]}, cv=2, stack=True, refit=False).fit(X, y)
    assert search.vectorized_["reason"].str.contains(reason).all()
    assert search.cv_results_["mean_test_score"][0] > 0


@pytest.mark.parametrize("param", ["compile", "amp"])
def test_networks_of_another_arithmetic_are_not_stacked(param, monkeypatch):
    monkeypatch.setattr(torch, "compile", lambda module, **_: module)  # which takes seconds
    X, y = make_rows(n=40)
    net = classifier(max_epochs=1, dtype="float32", **{param: True})
    search = VectorizedGridSearchCV(net, {"lr": [0.01, 0.02]}, cv=2, stack=True).fit(X, y)
    assert (search.vectorized_["reason"] == f"`{param}=True`").all()


def test_a_verbose_search_says_what_it_has_found(capfd):
    X, y = make_rows()
    settings = {"cv": 2, "verbose": 1, "scoring": ["accuracy", "neg_log_loss"]}
    grid = {"lr": [0.01, 0.02]}
    net = classifier(max_epochs=1)
    VectorizedGridSearchCV(net, grid, refit=False, **settings).fit(X, y)
    assert "VectorizedGridSearchCV: 2 candidates scored" in capfd.readouterr().out
    VectorizedGridSearchCV(net, grid, refit=lambda results: 1, **settings).fit(X, y)
    assert "VectorizedGridSearchCV: chose lr=0.02" in capfd.readouterr().out
