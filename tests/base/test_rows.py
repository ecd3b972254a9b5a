"""Training rows: read once, cut by one policy, without rows of weight 0."""

import numpy as np
import pytest
from sklearn.model_selection import GroupKFold, KFold, PredefinedSplit, ShuffleSplit

from sk_mmbalance import Modalities
from sk_mmbalance.base import CLASSES, LABELS, NUMBERS, ModalityClassifier, ModalityRegressor
from sk_mmbalance.exceptions import FoldWarning


class Reader(ModalityClassifier):
    """Reads and does nothing else."""

    _kinds = (CLASSES, LABELS)

    def __init__(self, modalities=None, missing="error"):
        self.modalities = modalities
        self.missing = missing


class NumberReader(ModalityRegressor):
    _kinds = (NUMBERS,)

    def __init__(self, modalities=None, missing="error"):
        self.modalities = modalities
        self.missing = missing


class GroupsInOrder(GroupKFold):
    """Whole groups, neighbours together."""

    def split(self, X, y=None, groups=None):
        for part in np.array_split(np.unique(groups), 3):
            test = np.isin(groups, part)
            yield np.flatnonzero(~test), np.flatnonzero(test)


def data(n=24, n_classes=3):
    rng = np.random.default_rng(0)
    X = Modalities(a=rng.normal(size=(n, 2)), b=rng.normal(size=(n, 3)))
    return X, np.arange(n) % n_classes


def read(X, y, *args, reader=Reader, **kwargs):
    return reader()._read_training(X, y, *args, **kwargs)


def same(folds, others):
    assert len(folds) == len(others)
    for fold, other in zip(folds, others, strict=True):
        for part, its in zip(fold, other, strict=True):
            np.testing.assert_array_equal(part, its)


@pytest.mark.parametrize("cv", [3, None, KFold(4), GroupKFold(3), ShuffleSplit(3, random_state=0)])
def test_rows_of_weight_0_are_as_good_as_absent_before_folds_are_cut(cv):
    X, y = data()
    weight = np.ones(24)
    weight[[0, 5, 6, 17]] = 0
    # scikit-learn's splitters without groups warn of groups
    groups = np.arange(24) // 3 if cv in (3, None) or isinstance(cv, GroupKFold) else None
    kept = np.flatnonzero(weight)
    with_zeros = read(X, y, weight, groups)
    without = read(X[kept], y[kept], weight[kept], None if groups is None else groups[kept])
    assert len(with_zeros) == 20
    same(with_zeros.folds(cv), without.folds(cv))
    np.testing.assert_array_equal(with_zeros.given, kept)
    same([with_zeros.hold_out(0.2, 0)], [without.hold_out(0.2, 0)])


@pytest.mark.filterwarnings("ignore::sk_mmbalance.exceptions.FoldWarning")
def test_splits_of_ones_own_count_the_rows_given_and_keep_repeats():
    X, y = data(6)
    rows = read(X, y, np.array([1, 0, 1, 1, 1, 1.0]))
    ((train, test),) = rows.folds([([0, 0, 1, 2, 2, 4], [1, 3, 5])])
    np.testing.assert_array_equal(rows.given[train], [0, 0, 2, 2, 4])
    np.testing.assert_array_equal(rows.given[test], [3, 5])
    masked = np.array([True, True, False, False, True, True])
    ((train, test),) = rows.folds([(masked, ~masked)])
    np.testing.assert_array_equal(rows.given[train], [0, 4, 5])
    np.testing.assert_array_equal(rows.given[test], [2, 3])
    folds = rows.folds(PredefinedSplit([0, 0, 0, 1, 1, -1]))
    np.testing.assert_array_equal(rows.given[folds[0][1]], [0, 2])
    with pytest.raises(ValueError, match="no split with a row to train on and one to test on"):
        rows.folds([([0, 2], [1])])


def test_a_number_of_folds_is_lowered_to_the_largest_class_and_to_the_groups():
    X, _ = data()
    y = np.array([0] * 20 + [1] * 3 + [2])
    assert len(read(X, y).folds(5)) == 5  # the smallest class does not decide
    few = np.r_[np.repeat([0, 1], 3), 2]
    assert len(read(X[:7], few).folds(5)) == 3
    groups = np.arange(24) % 4
    folds = read(X, y, None, groups).folds(5)
    assert len(folds) == 4
    for train, test in folds:
        assert not set(groups[train]) & set(groups[test])


def test_too_few_rows_or_groups_are_a_clear_error():
    X, _ = data(3)
    rows = read(X, [0, 1, 2])
    with pytest.raises(ValueError, match=r"`cv` cannot cut folds.* has 3 sample"):
        rows.folds(5)
    with pytest.raises(ValueError, match="`cv` must be at least 2 folds"):
        rows.folds(1)
    with pytest.raises(ValueError, match="single group"):
        read(X, [0, 1, 1], None, [7, 7, 7]).folds(3)
    with pytest.raises(ValueError, match="gives no row to test on"):
        rows.folds([([0, 1], [])])


def test_folds_that_lack_the_classes_they_test_are_warned_of():
    X, y = data()
    ordered = np.sort(y)
    with pytest.warns(FoldWarning, match=r"^`cv` puts 100% of the rows.*\(StratifiedKFold"):
        read(X, ordered).folds(KFold(3))
    with pytest.warns(FoldWarning, match="^`groups` put 100% of the rows") as caught:
        read(X, y, None, y).folds(3)
    assert "`cv`" not in str(caught[0].message)
    with pytest.warns(FoldWarning, match=r"^`cv` puts .*\(StratifiedGroupKFold"):
        read(X, ordered, None, np.arange(24) // 4).folds(GroupsInOrder())
    with pytest.warns(FoldWarning, match="^`groups` put"):
        read(X, y, None, y).folds(GroupKFold(3))


@pytest.mark.filterwarnings("error::sk_mmbalance.exceptions.FoldWarning")
def test_rare_classes_and_other_targets_are_not():
    X, y = data()
    read(X, np.sort(y)).folds(3)
    read(X, np.r_[[2, 2], y[2:] % 2]).folds(3)  # a class of two rows among 24
    read(X, np.sort(y).astype(float), reader=NumberReader).folds(KFold(3))


def test_rows_without_classes_are_cut_in_their_order():
    X, _ = data()
    rows = read(X, np.linspace(0, 1, 24), reader=NumberReader)
    same(rows.folds(4), list(KFold(4).split(np.zeros(24))))


def test_labels_are_spread_over_folds():
    X, _ = data()
    y = np.repeat([[1, 0], [0, 1]], 12, axis=0)
    for train, test in read(X, y).folds(3):
        assert y[train].mean() == y[test].mean() == 0.5


def test_taken_rows_bring_everything_along():
    X, y = data(6)
    weight, groups = np.array([1, 2, 0, 3, 1, 1.0]), np.array([1, 1, 2, 2, 3, 3])
    rows = read(X, y, weight, groups).with_routed({"e": {"age": np.arange(6) * 10, "depth": 3}})
    part = rows.take(np.array([1, 1, 3]))
    np.testing.assert_array_equal(part.given, [1, 1, 4])
    np.testing.assert_array_equal(part.checked.arrays["a"], X["a"][[1, 1, 4]])
    np.testing.assert_array_equal(part.labels, y[[1, 1, 4]])
    np.testing.assert_array_equal(part.weight, [2, 2, 1])
    np.testing.assert_array_equal(part.groups, [1, 1, 3])
    np.testing.assert_array_equal(part.routed["e"]["age"], [10, 10, 40])
    assert part.routed["e"]["depth"] == 3


def test_no_weights_are_none_and_ones_are_at_hand():
    X, y = data(6)
    assert read(X, y).weight is None
    np.testing.assert_array_equal(read(X, y).weight_or_ones, np.ones(6))


def test_what_is_known_of_the_target_is_kept_to():
    X, y = data(6)
    target = read(X, y).target
    few = read(X[:2], y[:2], target=target)
    assert few.target is target
    with pytest.raises(ValueError, match="not among the classes"):
        read(X, y + 5, target=target)
    with pytest.raises(ValueError, match="requires y to be passed"):
        read(X, None, target=target)


def test_class_weight_is_refused_with_several_labels():
    X, _ = data(6)
    y = np.array([[1, 0], [0, 1]] * 3)
    with pytest.raises(ValueError, match="`class_weight` needs one class a row"):
        read(X, y, class_weight="balanced")


def test_fitted_state_is_set_in_one_step_and_what_was_there_before_goes():
    X, y = data(6)
    reader = Reader()
    spec = read(X, y).checked.spec
    before = reader.__dict__
    reader._become_fitted(spec, classes_=np.arange(3))
    assert "classes_" not in before  # a new state, not the old one changed
    assert reader.modality_names_ == ["a", "b"]
