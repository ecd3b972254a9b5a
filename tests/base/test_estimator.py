import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.utils import get_tags
from sklearn.utils.validation import has_fit_parameter

from sk_mmbalance import (
    CMSFedClassifier,
    DataRemixingClassifier,
    NegativeLearningClassifier,
    SustainedBoostingClassifier,
)
from sk_mmbalance.base import ModalityClassifier, first_tags, read_partly_known
from sk_mmbalance.exceptions import MissingModalityError
from tests._estimators import BLOCKS, every_classifier, flat, toy


class Majority(ModalityClassifier):
    """The smallest classifier on the base: predicts the class of the largest weight."""

    def __init__(self, modalities=None, missing="error", class_weight=None):
        self.modalities = modalities
        self.missing = missing
        self.class_weight = class_weight

    def fit(self, X, y, sample_weight=None):
        rows = self._read_training(X, y, sample_weight, class_weight=self.class_weight)
        self._become_fitted(
            rows.checked.spec,
            classes_=rows.target.classes,
            weight_=rows.weight,
            largest_=np.bincount(rows.y, rows.weight).argmax(),
        )
        return self

    def predict(self, X):
        checked = self._read_for_prediction(X)
        return self.classes_[np.full(checked.n_samples, self.largest_)]


# -- what fit remembers --------------------------------------------------------------------------


def test_fitted_attributes_of_named_modalities():
    X, y = toy()
    model = Majority().fit(X, y)
    assert model.modality_names_ == ["face", "voice"]
    assert model.modality_shapes_ == {"face": (3,), "voice": (2,)}
    assert model.n_features_in_ == 5
    assert not hasattr(model, "feature_names_in_")


def test_feature_names_of_an_earlier_fit_are_forgotten():
    X, y = toy()
    frame = pd.DataFrame(flat(X), columns=list("abcde"))
    model = Majority(modalities=BLOCKS).fit(frame, y)
    assert model.feature_names_in_.tolist() == list("abcde")
    model.fit(flat(X), y)
    assert not hasattr(model, "feature_names_in_")


def test_columns_of_a_table_that_belong_to_no_modality_count_as_features():
    X, y = toy()
    assert Majority(modalities={"face": [0]}).fit(flat(X), y).n_features_in_ == 5


def test_table_with_another_number_of_columns_is_refused_in_scikit_learns_words():
    X, y = toy()
    model = Majority(modalities=BLOCKS).fit(flat(X), y)
    with pytest.raises(ValueError, match="X has 4 features, but Majority is expecting 5"):
        model.predict(flat(X)[:, :4])
    frame = pd.DataFrame(flat(X), columns=list("abcde"))
    named = Majority(modalities=BLOCKS).fit(frame, y)
    with pytest.raises(ValueError, match="feature names should match"):
        named.predict(frame[list("edcba")])


def test_allow_nan_is_declared_only_with_mask():
    assert not get_tags(Majority()).input_tags.allow_nan
    assert get_tags(Majority(missing="mask")).input_tags.allow_nan


def test_prediction_before_fit_is_refused():
    with pytest.raises(NotFittedError, match="Majority instance is not fitted"):
        Majority().predict(np.ones((2, 2)))


# -- labels and weights --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "labels", [[2, 7], [-1, 1], [True, False], ["a", "b"], np.array(["a", "b"], dtype=object)]
)
def test_labels_of_any_kind(labels):
    X, y = toy()
    labels = np.asarray(labels)
    model = Majority().fit(X, labels[y])
    np.testing.assert_array_equal(model.classes_, np.unique(labels))
    assert set(model.predict(X)) <= set(labels.tolist())


def test_no_weights_are_none_and_given_ones_are_copied_in_the_precision_of_the_data():
    X, y = toy()
    assert Majority().fit(X, y).weight_ is None
    given = np.ones(60)
    model = Majority().fit(X, y, sample_weight=given)
    assert model.weight_ is not given
    small = {name: X[name].astype(np.float32) for name in X}
    assert Majority().fit(small, y, sample_weight=given).weight_.dtype == np.float32


def test_balanced_class_weight_counts_sample_weights():
    X, _ = toy()
    y = np.repeat([0, 1], [50, 10])
    sample_weight = np.where(y == 0, 1.0, 2.0)
    weights = Majority(class_weight="balanced").fit(X, y, sample_weight).weight_
    assert weights[y == 0].sum() == pytest.approx(weights[y == 1].sum())
    by_hand = Majority(class_weight={0: 1, 1: 3}).fit(X, y).weight_
    assert set(by_hand[y == 1]) == {3.0}


# -- bad input, for every classifier -------------------------------------------------------------

BAD_FITS = {
    "one class": (lambda X, y: (X, 0 * y, {}), "`y` must have at least two classes; got one"),
    "continuous": (lambda X, y: (X, y + 0.5, {}), "Unknown label type: continuous"),
    "several columns": (
        lambda X, y: (X, np.column_stack([y, y + 1]), {}),
        r"`y` must be one column of class labels.*; got shape \(60, 2\).*MultiOutputClassifier",
    ),
    "short labels": (lambda X, y: (X, y[:7], {}), "`y` has 7 labels for 60 samples"),
    "no labels": (lambda X, y: (X, None, {}), "requires y to be passed"),
    "NaN label": (
        lambda X, y: (X, np.where(y == 0, np.nan, y), {}),
        r"`y` has no label \(nan\) in \d+ of 60 rows",
    ),
    "labels of two kinds": (
        lambda X, y: (X, np.array([1, "a"] * 30, dtype=object), {}),
        "`y` must hold values of one kind, numbers or text; got numbers beside text",
    ),
    "a list of labels of two kinds": (
        lambda X, y: (X, [1, "a"] * 30, {}),
        "`y` must hold values of one kind",
    ),
    "labels that float64 cannot tell apart": (
        lambda X, y: (X, y + 2.0**53, {}),
        r"`y` has numbers of 2\*\*53 and more as float64",
    ),
    "NaN weights": (
        lambda X, y: (X, y, {"sample_weight": np.where(y == 0, np.nan, 1.0)}),
        r"`sample_weight` has no weight \(nan\) in \d+ of 60 rows.* weight 0",
    ),
    "infinite weights": (
        lambda X, y: (X, y, {"sample_weight": np.where(y == 0, np.inf, 1.0)}),
        "`sample_weight` must hold finite numbers of at least 0; got inf",
    ),
    "weights of text": (
        lambda X, y: (X, y, {"sample_weight": ["heavy"] * 60}),
        "`sample_weight` must hold finite numbers of at least 0; got",
    ),
    "label None": (
        lambda X, y: (X, np.where(np.arange(60) < 2, None, "ab"), {}),
        r"`y` has no label \(None\) in 2 of 60 rows",
    ),
    "zero weights": (
        lambda X, y: (X, y, {"sample_weight": np.zeros(60)}),
        "`sample_weight` is zero for every sample",
    ),
    "negative weights": (
        lambda X, y: (X, y, {"sample_weight": -np.ones(60)}),
        "Negative values in data passed to `sample_weight`",
    ),
    "short weights": (
        lambda X, y: (X, y, {"sample_weight": np.ones(5)}),
        "`sample_weight` must have one weight a row",
    ),
    "unequal lengths": (
        lambda X, y: ({"face": X["face"], "voice": X["voice"][:9]}, y, {}),
        "'face' has 60, 'voice' has 9",
    ),
    "no modality": (lambda X, y: ({}, y, {}), "at least one modality"),
    "no rows": (lambda X, y: ({"face": X["face"][:0]}, y[:0], {}), r"0 sample\(s\)"),
    "infinity": (
        lambda X, y: ({"face": X["face"], "voice": X["voice"] + np.inf}, y, {}),
        "'voice' contains infinity",
    ),
    "NaN in a part": (
        lambda X, y: ({"face": X["face"] * np.array([1, 1, np.nan]), "voice": X["voice"]}, y, {}),
        r"'face' contains NaN in part of 60 row\(s\)",
    ),
    "text": (
        lambda X, y: ({"face": X["face"], "voice": ["la"] * 60}, y, {}),
        "'voice' must be numeric",
    ),
    "list": (lambda X, y: ([X["face"], X["voice"]], y, {}), "is a list of 2 arrays; give each"),
    "name no string": (lambda X, y: ({1: X["face"]}, y, {}), "names must be strings; got 1"),
}


@every_classifier
@pytest.mark.parametrize(("spoil", "message"), BAD_FITS.values(), ids=BAD_FITS.keys())
def test_bad_input_of_fit_is_refused_and_leaves_nothing(classifier, spoil, message):
    X, y, params = spoil(*toy())
    model = clone(classifier)
    with pytest.raises((ValueError, TypeError), match=message):
        model.fit(X, y, **params)
    assert not [name for name in vars(model) if name.endswith("_")]


BAD_GROUPS = {
    "None": ([None] * 60, r"`groups` has no group \(None\) in 60 of 60 rows.* of its own"),
    "NaN": ([1.0, 2.0, np.nan] * 20, r"`groups` has no group \(nan\) in 20 of 60 rows"),
    "of two kinds": ([1, "a"] * 30, "`groups` must hold values of one kind.*numbers beside text"),
    "inexact": (2.0**53 + np.arange(60), r"`groups` has numbers of 2\*\*53 and more"),
    "several columns": (np.ones((60, 2)), r"`groups` must be one column; got shape \(60, 2\)"),
}


@every_classifier
@pytest.mark.parametrize(("groups", "message"), BAD_GROUPS.values(), ids=BAD_GROUPS.keys())
def test_groups_that_are_unknown_or_mixed_are_refused(classifier, groups, message):
    X, y = toy()
    if not has_fit_parameter(classifier, "groups"):
        return  # nothing to refuse
    with pytest.raises(ValueError, match=message):
        clone(classifier).fit(X, y, groups=groups)


BAD_PREDICTIONS = {
    "unknown": (lambda X: {**X, "gait": X["face"]}, "'gait', not seen in fit"),
    "lacking": (lambda X: X.select(["face"]), "`X` lacks modality 'voice'"),
    "columns": (lambda X: {**X, "face": X["voice"]}, r"'face' has shape \(2,\) per sample, but"),
    "dimension": (lambda X: {**X, "face": X["face"][..., None]}, r"has shape \(3, 1\)"),
    "flat": (flat, r"flat ndarray, but modalities \['face', 'voice'\]"),
    "NaN": (lambda X: {**X, "face": X["face"] * np.nan}, r"'face'.*NaN.*'mask'"),
    "unequal": (lambda X: {"face": X["face"], "voice": X["voice"][:2]}, "same number of samples"),
}


@every_classifier
@pytest.mark.parametrize(("spoil", "message"), BAD_PREDICTIONS.values(), ids=BAD_PREDICTIONS.keys())
def test_bad_input_of_predict_is_refused(classifier, spoil, message):
    X, y = toy()
    model = clone(classifier).fit(X, y)
    for method in ("predict", "predict_proba", "unimodal_predict_proba"):
        if hasattr(model, method):
            with pytest.raises((ValueError, TypeError), match=message):
                getattr(model, method)(spoil(X))


@every_classifier
def test_overlapping_or_empty_blocks_are_refused(classifier):
    X, y = toy()
    for blocks, message in (
        ({"face": [0, 1], "voice": [1, 2]}, "gives column 1 to both"),
        ({"face": [0], "voice": []}, "chooses no column for 'voice'"),
    ):
        with pytest.raises(ValueError, match=message):
            clone(classifier).set_params(modalities=blocks).fit(flat(X), y)


@every_classifier
def test_lacking_modality_has_its_own_error_class(classifier):
    X, y = toy()
    with pytest.raises(MissingModalityError):
        clone(classifier).fit(X, y).predict(X.select(["face"]))


# -- helpers -------------------------------------------------------------------------------------


def test_tags_of_a_pipeline_are_those_of_its_first_step():
    from sklearn.feature_extraction.text import CountVectorizer

    chain = make_pipeline("passthrough", make_pipeline(CountVectorizer()), LogisticRegression())
    assert first_tags(chain).input_tags.string
    assert first_tags(make_pipeline("passthrough")) is None
    assert first_tags(object()) is None


@pytest.mark.parametrize("marker", [None, np.nan, -1, "?"])
def test_partial_labels_are_read_alike_whatever_marks_them(marker):
    labels = ["x", "y", "x", "y"] if marker == "?" else [3, 5, 3, 5]
    y = np.array([*labels, marker], dtype=object)
    if marker is None:
        y = y[:4].tolist()
    target, codes = read_partly_known(y, len(y), marker, "Majority")
    labelled = target.is_known(codes)
    assert target.classes.tolist() == labels[:2]
    assert codes[labelled].tolist() == [0, 1, 0, 1]
    assert labelled.tolist() == [True] * 4 + [False] * (marker is not None)


def test_weights_of_another_length_are_named():
    X, y = toy()
    with pytest.raises(ValueError, match=r"`sample_weight` must have one weight a row"):
        Majority().fit(X, y, sample_weight=np.ones(3))


def test_named_modalities_that_the_parameter_does_not_name_are_refused_with_the_mend():
    X, y = toy()
    with pytest.raises(ValueError, match="needs no `modalities=`"):
        Majority(modalities={"other": slice(0, 2)}).fit(X, y)


# -- the published form of a method --------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "differences"),
    [
        (NegativeLearningClassifier, {}),
        (
            DataRemixingClassifier,
            {"order": "sequential", "joint_every": None, "fusion_weights": None},
        ),
        (
            SustainedBoostingClassifier,
            {"fused_weight": 0.0, "head_width": 256, "max_heads": None, "head_patience": None},
        ),
        (
            CMSFedClassifier,
            {"tau": 1.0, "unit_features": False, "first_visit": "initial"},
        ),
    ],
)
def test_published_differs_from_the_defaults_in_what_is_stated(method, differences):
    ours, theirs = method().get_params(), method.published().get_params()
    assert {key: theirs[key] for key in ours if ours[key] != theirs[key]} == differences
    for key, value in differences.items():
        assert f"{key}={value!r}" in method.__doc__.replace('"', "'")


def test_parameters_of_the_caller_override_published_ones():
    made = SustainedBoostingClassifier.published(max_heads=3, lr=0.01)
    assert (made.max_heads, made.lr, made.fused_weight) == (3, 0.01, 0.0)
    assert clone(made).get_params() == made.get_params()
