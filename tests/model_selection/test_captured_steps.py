"""Steps of a stack that are written down once do what the ordinary ones do."""

from torch import nn

from tests.model_selection._compare import classifier, make_rows, search_both

RATES = {"lr": [0.01, 0.02, 0.05]}


class Hardens(nn.Linear):
    """Does something else in training from its thirtieth step on."""

    def __init__(self, input_shape, embedding_dim):
        super().__init__(input_shape[0], embedding_dim)
        self.steps = 0

    def forward(self, x):
        self.steps += self.training
        return super().forward(x).relu() * (3.0 if self.training and self.steps > 30 else 1.0)


def test_threads_write_down_steps_of_their_own():
    X, y = make_rows(n=97)  # the last batch of an epoch is smaller: steps of two forms
    search = search_both(classifier(max_epochs=25), RATES, X, y, cv=2, n_jobs=2)
    assert search.together.vectorized_["stacked"].all()
    assert search.together.vectorized_["stack"].nunique() == 2
    assert search.apart < 1e-8


def test_steps_with_missing_modalities_are_written_down():
    X, y = make_rows(n=90, missing=True)
    net = classifier(missing="mask", max_epochs=25)
    search = search_both(net, RATES, X, y, cv=2)
    assert search.together.vectorized_["stacked"].all()
    assert search.apart < 1e-8


def test_a_network_that_changes_on_the_way_is_followed():
    X, y = make_rows(n=60)
    net = classifier(backbones=Hardens, max_epochs=20)
    search = search_both(net, RATES, X, y, cv=2)
    assert search.together.vectorized_["stacked"].all()
    assert search.apart < 1e-8
