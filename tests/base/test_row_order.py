"""A number of folds is cut from shuffled rows only where rows resemble their neighbours."""

import warnings

import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, StratifiedKFold
from sklearn.utils.class_weight import compute_sample_weight

from sk_mmbalance import (
    ARMClassifier,
    ARMClassifierCV,
    ARMRegressor,
    LateFusionClassifier,
    LateFusionRegressor,
    Modalities,
    MultimodalClassifier,
    OpinionPoolClassifier,
    SerialFusionClassifier,
    SerialSemiSupervisedClassifier,
    UnimodalClassifier,
)
from sk_mmbalance.base import (
    CLASSES,
    LABELS,
    NUMBERS,
    Fold,
    FoldChoice,
    ModalityEstimator,
)
from sk_mmbalance.exceptions import RowOrderWarning

EXPERTS = {"a": (LogisticRegression(), "a"), "b": (LogisticRegression(), "b")}


class Reader(ModalityEstimator):
    _kinds = (CLASSES, LABELS)

    def __init__(self, modalities=None, missing="mask"):
        self.modalities = modalities
        self.missing = missing

    def rows(self, X, y, sample_weight=None, groups=None):
        return self._read_training(X, y, sample_weight, groups, accept_sparse=True)


class NumberReader(Reader):
    _kinds = (NUMBERS,)


def in_blocks(n_blocks=40, size=10, seed=0):
    """Rows of a block lie close together and have one class, which nothing else tells."""
    rng = np.random.default_rng(seed)
    block = np.repeat(np.arange(n_blocks), size)
    centres = rng.normal(size=(n_blocks, 6))
    table = centres[block] + 0.05 * rng.normal(size=(len(block), 6))
    y = (np.arange(n_blocks) % 2)[block]
    return Modalities(a=table[:, :3], b=table[:, 3:]), y, block


def shuffled(X, y):
    order = np.random.default_rng(1).permutation(len(y))
    return X[order], y[order]


def same(a: list[Fold], b: list[Fold]):
    assert len(a) == len(b)
    for (train, test), (other_train, other_test) in zip(a, b, strict=True):
        np.testing.assert_array_equal(train, other_train)
        np.testing.assert_array_equal(test, other_test)


def chosen_quietly(rows, cv=5) -> FoldChoice:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return rows.choose_folds(cv, 0)


def test_rows_in_blocks_are_cut_both_ways_and_it_is_said():
    X, y, _ = in_blocks()
    rows = Reader().rows(X, y)
    with pytest.warns(RowOrderWarning, match=r"`cv`=5 was cut both ways.*pass `groups`"):
        choice = rows.choose_folds(5, 3)
    assert choice.how == "both"
    told = choice.told()
    assert told["loss_in_order"] > 0.8 > 0.3 > told["loss_shuffled"]
    low, high = told["interval"]
    assert 0 < low < told["loss_in_order"] - told["loss_shuffled"] < high
    with pytest.warns(RowOrderWarning):
        same(choice.folds, rows.choose_folds(5, 3).folds)
    with pytest.warns(RowOrderWarning):
        other = rows.choose_folds(5, 4).folds
    in_order, drawn = choice.parts
    same(in_order, rows.folds(5))
    same(in_order, other[:5])
    assert not np.array_equal(drawn[0][1], other[5][1])
    for train, test in choice.folds:  # whole, and classes spread evenly
        assert len(np.union1d(train, test)) == len(y)
        assert y[test].mean() == 0.5


def test_exchangeable_rows_are_cut_in_order_without_a_word():
    X, y = shuffled(*in_blocks()[:2])
    rows = Reader().rows(X, y)
    choice = chosen_quietly(rows)
    assert choice.how == "in order"
    same(choice.folds, rows.folds(5))
    low, high = choice.told()["interval"]
    assert low < 0 < high


@pytest.mark.parametrize("seed", range(4))
def test_rows_sorted_by_class_are_exchangeable_within_their_class(seed):
    rng = np.random.default_rng(seed)
    y = np.repeat([0, 1, 2], 100)
    X = Modalities(a=y[:, None] + rng.normal(size=(300, 4)))
    assert chosen_quietly(Reader().rows(X, y)).how == "in order"


@pytest.mark.parametrize("kind", ["balanced", "lognormal"])
def test_weights_make_no_order_of_exchangeable_rows(kind):
    told = []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        y = (rng.random(300) < 0.06).astype(int)
        X = Modalities(a=rng.normal(size=(300, 3)) + 1.2 * y[:, None], b=rng.normal(size=(300, 4)))
        weight = compute_sample_weight("balanced", y)
        weight = weight if kind == "balanced" else rng.lognormal(0, 3, 300)
        told.append(chosen_quietly(Reader().rows(X, y, weight)).how)
    assert set(told) == {"in order"}


@pytest.mark.parametrize("spread", [0.5, 1, 1.5])
def test_weights_hide_no_order(spread):
    X, y, _ = in_blocks()
    weight = np.random.default_rng(0).lognormal(0, spread, len(y))
    with pytest.warns(RowOrderWarning):
        assert Reader().rows(X, y, weight).choose_folds(5, 0).how == "both"


def test_equal_weights_say_what_none_say():
    X, y, _ = in_blocks()
    plain = Reader().rows(X, y).row_order()
    weighted = Reader().rows(X, y, np.full(len(y), 3.0)).row_order()
    assert weighted.interval == pytest.approx(plain.interval)


def test_weight_in_one_place_can_say_nothing():
    X, y, _ = in_blocks()
    weight = np.where(np.arange(len(y)) < 4, 1.0, 1e-6)
    assert chosen_quietly(Reader().rows(X, y, weight)).told() == {"folds": "in order"}


@pytest.mark.parametrize("size", [2, 10])
def test_neighbours_are_found_among_many_rows(size):
    X, y, _ = in_blocks(40_000 // size, size)
    with pytest.warns(RowOrderWarning):
        assert Reader().rows(X, y).choose_folds(5, 0).how == "both"
    assert chosen_quietly(Reader().rows(*shuffled(X, y))).how == "in order"


def test_groups_and_splitters_are_not_second_guessed():
    X, y, block = in_blocks()
    groups = Reader().rows(X, y, None, block)
    choice = chosen_quietly(groups)
    assert choice.told() == {"folds": "by group"}
    same(choice.folds, groups.folds(5))
    rows = Reader().rows(X, y)
    for cv in (StratifiedKFold(5), list(GroupKFold(4).split(y, y, block))):
        choice = chosen_quietly(rows, cv)
        assert choice.told() == {"folds": "as given"}
        same(choice.folds, rows.folds(cv))


def test_few_rows_can_say_nothing_and_stay_as_they_are():
    X, y, _ = in_blocks(n_blocks=19)
    choice = chosen_quietly(Reader().rows(X, y))
    assert choice.told() == {"folds": "in order"}


@pytest.mark.parametrize("n_rows", [100, 199])
@pytest.mark.parametrize("direction", [1, -1])
def test_few_rows_sorted_by_their_number_are_asked(n_rows, direction):
    rng = np.random.default_rng(0)
    table = rng.normal(size=(n_rows, 3))
    numbers = 3 * table[:, 0] + table[:, 1] + 0.1 * rng.normal(size=n_rows)
    order = np.argsort(numbers)[::direction]
    X = Modalities(a=table[:, :2], b=table[:, 2:])
    with pytest.warns(RowOrderWarning):
        assert NumberReader().rows(X[order], numbers[order]).choose_folds(5, 0).how == "both"
    for y in (
        numbers,
        np.ones(n_rows),
        np.where(np.arange(n_rows) < n_rows - 1, 0.0, 1.0),  # may be sorted by chance
    ):
        assert chosen_quietly(NumberReader().rows(X, y)).told() == {"folds": "in order"}


def test_incomplete_and_sparse_modalities_are_looked_at_too():
    X, y, block = in_blocks()
    holes = {"a": np.where((block % 3 == 0)[:, None], np.nan, X["a"]), "b": csr_array(X["b"])}
    with pytest.warns(RowOrderWarning):
        assert Reader().rows(holes, y).choose_folds(5, 0).how == "both"


def test_numbers_and_labels_are_asked_alike():
    X, y, block = in_blocks()
    rng = np.random.default_rng(0)
    numbers = 1000 + 5 * rng.normal(size=40)[block]
    with pytest.warns(RowOrderWarning):
        assert NumberReader().rows(X, numbers).choose_folds(5, 0).how == "both"
    labels = np.column_stack([y, rng.integers(0, 2, 40)[block]])
    with pytest.warns(RowOrderWarning):
        assert Reader().rows(X, labels).choose_folds(5, 0).how == "both"
    noise = NumberReader().rows(X, rng.normal(size=400))
    assert chosen_quietly(noise).how == "in order"
    assert chosen_quietly(NumberReader().rows(X, np.ones(400))).told() == {"folds": "in order"}


def test_asking_draws_from_no_generator_but_its_own():
    X, y = shuffled(*in_blocks()[:2])
    np.random.seed(0)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    seed = np.random.RandomState(0)
    Reader().rows(X, y).choose_folds(5, seed)
    np.testing.assert_array_equal(before, np.random.get_state()[1])  # noqa: NPY002
    assert seed.randint(1000) == np.random.RandomState(0).randint(1000)


def test_rows_of_weight_zero_and_repeated_weights_change_no_choice():
    X, y, _ = in_blocks()
    weight = np.where(np.arange(400) % 10 < 8, 2.0, 0.0)
    with pytest.warns(RowOrderWarning):
        weighted = Reader().rows(X, y, weight).choose_folds(5, 0)
    with pytest.warns(RowOrderWarning):
        absent = Reader().rows(X[weight > 0], y[weight > 0]).choose_folds(5, 0)
    assert weighted.told()["loss_in_order"] == pytest.approx(absent.told()["loss_in_order"])


@pytest.mark.parametrize(
    "model",
    [
        OpinionPoolClassifier(EXPERTS, random_state=0),
        LateFusionClassifier(weights="cv", random_state=0),
        LateFusionClassifier(rule="stacking", random_state=0),
        UnimodalClassifier(random_state=0),
        SerialFusionClassifier(random_state=0),
        SerialSemiSupervisedClassifier("a", guard=False, random_state=0),
        ARMClassifier(),
        ARMClassifier("a", predict_with="serial", temperature=None),
        ARMClassifierCV("a", weak_regs=(0.1, 1.0)),
        MultimodalClassifier(fusion_weights="fit", cv=2, max_epochs=1, random_state=0),
        MultimodalClassifier(
            fusion_weights="fit", early_stopping=False, max_epochs=1, random_state=0
        ),
    ],
    ids=lambda model: f"{type(model).__name__}, {getattr(model, 'rule', '')}",
)
def test_every_estimator_that_cuts_folds_tells_how(model):
    X, y, block = in_blocks()
    with pytest.warns(RowOrderWarning) as caught:
        fitted = model.fit(X, y)
    assert fitted.row_order_["folds"] == "both"
    assert [w.filename for w in caught if w.category is RowOrderWarning] == [__file__]
    assert model.fit(X, y, groups=block).row_order_ == {"folds": "by group"}
    assert model.fit(*shuffled(X, y)).row_order_["folds"] == "in order"


def test_nothing_is_asked_where_nothing_is_cross_validated():
    X, y, _ = in_blocks()
    for model in (
        LateFusionClassifier(),
        ARMClassifier("a", temperature=None),
        MultimodalClassifier(fusion_weights="fit", max_epochs=1, random_state=0),
        MultimodalClassifier(max_epochs=1, random_state=0),
    ):
        assert model.fit(X, y).row_order_ == {}
    numbers = y + X["a"][:, 0]
    with pytest.warns(RowOrderWarning):
        model = LateFusionRegressor(weights="cv", random_state=0).fit(X, numbers)
    assert model.row_order_["folds"] == "both"
    with pytest.warns(RowOrderWarning):
        assert ARMRegressor().fit(X, numbers).row_order_["folds"] == "both"
    assert ARMRegressor("a").fit(X, numbers).row_order_ == {}


def test_the_order_of_labelled_rows_is_asked():
    X, y, _ = in_blocks()
    labelled = np.random.default_rng(0).random(len(y)) < 0.7
    partly = np.where(labelled, y, -1)
    with pytest.warns(RowOrderWarning):
        model = ARMClassifier("a", unlabeled_label=-1).fit(X, partly)
    with pytest.warns(RowOrderWarning):
        alone = ARMClassifier("a").fit(X[labelled], y[labelled])
    assert model.row_order_ == alone.row_order_
