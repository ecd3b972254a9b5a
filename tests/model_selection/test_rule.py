"""Whether a stack pays is a matter of sizes alone."""

import numpy as np
import pytest

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
