import pickle

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn import config_context
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.decomposition import PCA
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MinMaxScaler,
    OneHotEncoder,
    StandardScaler,
    TargetEncoder,
)

from sk_mmbalance import Modalities, ModalityConcatenator, ModalityTransformer
from sk_mmbalance.exceptions import MissingModalityError


@pytest.fixture
def X():
    rng = np.random.default_rng(0)
    return Modalities(face=rng.normal(3, 2, (30, 4)), voice=rng.normal(-1, 5, (30, 2)))


@pytest.fixture
def y():
    return np.tile([0, 1, 1], 10)


def test_each_modality_gets_its_own_transformer(X):
    prep = ModalityTransformer({"face": StandardScaler(), "voice": MinMaxScaler()})
    Xt = prep.fit_transform(X)
    np.testing.assert_array_equal(Xt["face"], StandardScaler().fit_transform(X["face"]))
    np.testing.assert_array_equal(Xt["voice"], MinMaxScaler().fit_transform(X["voice"]))
    assert isinstance(Xt, Modalities)
    assert list(prep.transformers_) == ["face", "voice"]
    assert prep.n_features_in_ == 6


def test_transform_uses_what_fit_learnt(X):
    prep = ModalityTransformer({"face": StandardScaler()}).fit(X[:20])
    expected = StandardScaler().fit(X["face"][:20]).transform(X["face"][20:])
    np.testing.assert_array_equal(prep.transform(X[20:])["face"], expected)


def test_given_transformers_are_cloned_not_fitted(X):
    scaler = StandardScaler()
    ModalityTransformer({"face": scaler}).fit(X)
    assert not hasattr(scaler, "mean_")


@pytest.mark.parametrize(
    ("remainder", "names", "mean"),
    [("passthrough", ("face", "voice"), None), ("drop", ("face",), None)],
)
def test_remainder_words(X, remainder, names, mean):
    Xt = ModalityTransformer({"face": StandardScaler()}, remainder=remainder).fit_transform(X)
    assert Xt.names == names
    if "voice" in Xt:
        np.testing.assert_array_equal(Xt["voice"], X["voice"])


def test_remainder_transformer_is_fitted_per_modality(X):
    prep = ModalityTransformer({}, remainder=StandardScaler())
    Xt = prep.fit_transform(X)
    for name in X:
        np.testing.assert_allclose(Xt[name].mean(axis=0), 0, atol=1e-12)
    assert prep.transformers_["face"] is not prep.transformers_["voice"]


def test_drop_and_passthrough_per_modality(X):
    Xt = ModalityTransformer({"face": "drop", "voice": "passthrough"}).fit_transform(X)
    assert Xt.names == ("voice",)


def test_two_jobs_give_the_bits_of_one(X):
    one = ModalityTransformer({"face": PCA(2), "voice": StandardScaler()}).fit_transform(X)
    two = ModalityTransformer({"face": PCA(2), "voice": StandardScaler()}, n_jobs=2)
    two = two.fit_transform(X)
    for name in one:
        np.testing.assert_array_equal(one[name], two[name])


# -- missing rows and NaN ------------------------------------------------------------------


def test_missing_rows_are_left_out_of_the_fit_and_stay_missing(X):
    face = X["face"].copy()
    face[[2, 5]] = np.nan
    prep = ModalityTransformer({"face": StandardScaler()})
    Xt = prep.fit_transform({"face": face, "voice": X["voice"]})
    there = np.delete(X["face"], [2, 5], axis=0)
    np.testing.assert_array_equal(prep.transformers_["face"].mean_, there.mean(axis=0))
    assert np.isnan(Xt["face"][[2, 5]]).all()
    assert not np.isnan(np.delete(Xt["face"], [2, 5], axis=0)).any()


def test_imputer_sees_nan_in_part_of_a_row_but_not_missing_rows(X):
    face = X["face"].copy()
    face[0, 1] = np.nan
    face[7] = np.nan
    prep = ModalityTransformer({"face": SimpleImputer()})
    Xt = prep.fit_transform({"face": face})
    assert Xt["face"][0, 1] == pytest.approx(np.delete(face[:, 1], [0, 7]).mean())
    assert np.isnan(Xt["face"][7]).all()


def test_batch_in_which_every_row_lacks_the_modality_keeps_the_width_of_the_result(X):
    prep = ModalityTransformer({"face": PCA(2)}).fit(X)
    Xt = prep.transform({"face": np.full((3, 4), np.nan), "voice": X["voice"][:3]})
    assert Xt["face"].shape == (3, 2)
    assert np.isnan(Xt["face"]).all()


def test_modality_lacking_at_transform_is_lacking_in_the_result(X):
    prep = ModalityTransformer({"face": StandardScaler()}).fit(X)
    assert prep.transform(X.select(["voice"])).names == ("voice",)


def test_modality_missing_in_every_row_of_fit_is_an_error(X):
    prep = ModalityTransformer({"face": StandardScaler()})
    with pytest.raises(MissingModalityError, match="'face' is missing in every row"):
        prep.fit({"face": np.full((30, 4), np.nan), "voice": X["voice"]})


def test_missing_rows_of_a_frame_keep_the_frame(X):
    frame = pd.DataFrame(X["face"], columns=list("abcd"), index=np.arange(100, 130))
    frame.iloc[4] = np.nan
    prep = ModalityTransformer({"face": StandardScaler()}).set_output(transform="pandas")
    Xt = prep.fit_transform({"face": frame})["face"]
    assert Xt.columns.tolist() == list("abcd")
    assert Xt.index.tolist() == frame.index.tolist()
    assert Xt.iloc[4].isna().all()


def test_integer_results_with_missing_rows_become_float():
    value = np.array([["a"], [None], ["b"]], dtype=object)
    prep = ModalityTransformer({"kind": OneHotEncoder(sparse_output=False, dtype=int)})
    np.testing.assert_array_equal(
        prep.fit_transform({"kind": value})["kind"], [[1, 0], [np.nan, np.nan], [0, 1]]
    )


# -- kinds of modality ---------------------------------------------------------------------

TEXTS = ["a dog ran", "a cat sat", "the dog sat"]


@pytest.mark.parametrize(
    "value",
    [
        TEXTS,
        np.array(TEXTS),
        np.array(TEXTS, dtype=object),
        np.array(TEXTS, dtype=object)[:, None],
        pd.Series(TEXTS),
        pd.DataFrame({"note": TEXTS}),
    ],
    ids=["list", "str-array", "object-array", "column", "series", "frame"],
)
def test_text_reaches_a_vectorizer_as_strings(value):
    Xt = ModalityTransformer({"note": CountVectorizer()}).fit_transform({"note": value})
    assert sparse.issparse(Xt["note"])
    np.testing.assert_array_equal(
        Xt["note"].toarray(), CountVectorizer().fit_transform(TEXTS).toarray()
    )


def test_text_through_a_pipeline_of_text_transformers():
    from sklearn.feature_extraction.text import TfidfTransformer

    chain = make_pipeline(CountVectorizer(), TfidfTransformer())
    Xt = ModalityTransformer({"note": chain}).fit_transform({"note": TEXTS})
    expected = TfidfVectorizer().fit_transform(TEXTS).toarray()
    np.testing.assert_allclose(Xt["note"].toarray(), expected)


def test_missing_text_gives_missing_rows():
    Xt = ModalityTransformer({"note": CountVectorizer()}).fit_transform(
        {"note": ["a dog", None, "a cat"]}
    )
    np.testing.assert_array_equal(Xt["note"], [[0, 1], [np.nan, np.nan], [1, 0]])


def test_two_text_columns_for_a_vectorizer_are_refused():
    value = np.array([["a", "b"]] * 3, dtype=object)
    with pytest.raises(ValueError, match="one string per sample"):
        ModalityTransformer({"note": CountVectorizer()}).fit({"note": value})


def test_image_is_scaled_pixel_by_pixel_and_keeps_its_shape():
    image = np.random.default_rng(1).normal(size=(20, 1, 3, 4))
    Xt = ModalityTransformer({"image": StandardScaler()}).fit_transform({"image": image})
    expected = (image - image.mean(axis=0)) / image.std(axis=0)
    np.testing.assert_allclose(Xt["image"], expected)


def test_image_whose_number_of_values_changes_comes_out_flat():
    image = np.random.default_rng(1).normal(size=(20, 1, 3, 4))
    Xt = ModalityTransformer({"image": PCA(5)}).fit_transform({"image": image})
    assert Xt["image"].shape == (20, 5)


def test_image_is_passed_whole_to_what_takes_any_shape():
    image = np.random.default_rng(1).normal(size=(20, 3, 4))
    seen = []

    def halve(batch):
        seen.append(batch.shape)
        return batch[:, ::2]

    prep = ModalityTransformer({"image": FunctionTransformer(halve)})
    assert prep.fit_transform({"image": image})["image"].shape == (20, 2, 4)
    assert seen == [(20, 3, 4)]


def test_one_dimensional_numbers_reach_a_scaler_as_a_column():
    Xt = ModalityTransformer({"age": StandardScaler()}).fit_transform({"age": [1.0, 2.0, 3.0]})
    assert Xt["age"].shape == (3, 1)


def test_torch_tensor_is_transformed_and_passes_through():
    torch = pytest.importorskip("torch")
    tensor = torch.arange(6.0).reshape(3, 2)
    Xt = ModalityTransformer({"a": MinMaxScaler()}).fit_transform({"a": tensor, "b": tensor})
    np.testing.assert_allclose(Xt["a"], [[0, 0], [0.5, 0.5], [1, 1]])
    assert Xt["b"] is tensor


def test_columns_of_a_flat_frame():
    frame = pd.DataFrame({"f1": [1.0, 2, 3], "f2": [4.0, 5, 9], "v1": [0.0, 1, 0]})
    prep = ModalityTransformer({"face": MinMaxScaler()}, modalities={"face": "^f", "voice": ["v1"]})
    Xt = prep.fit_transform(frame)
    assert Xt.names == ("face", "voice")
    np.testing.assert_allclose(Xt["face"][:, 1], [0, 0.2, 1])
    assert prep.feature_names_in_.tolist() == ["f1", "f2", "v1"]


# -- parameters ----------------------------------------------------------------------------


def test_nested_parameters_are_read_and_set_by_modality(X):
    prep = ModalityTransformer({"face": StandardScaler()})
    assert prep.get_params()["face__with_mean"] is True
    prep.set_params(face__with_mean=False, remainder="drop")
    assert prep.transformers["face"].with_mean is False
    assert prep.remainder == "drop"


def test_replacing_a_transformer_leaves_the_clone_source_alone():
    prep = ModalityTransformer({"face": StandardScaler()})
    copy = clone(prep).set_params(face=MinMaxScaler())
    assert isinstance(copy.transformers["face"], MinMaxScaler)
    assert isinstance(prep.transformers["face"], StandardScaler)


def test_transformers_replaced_together_with_a_nested_parameter():
    prep = ModalityTransformer({"face": StandardScaler()})
    prep.set_params(transformers={"voice": MinMaxScaler()}, voice__clip=True)
    assert prep.transformers["voice"].clip is True


def test_grid_search_over_nested_parameters_and_whole_transformers(X, y):
    model = Pipeline(
        [
            ("prep", ModalityTransformer({"face": StandardScaler()})),
            ("concat", ModalityConcatenator()),
            ("model", LogisticRegression()),
        ]
    )
    search = GridSearchCV(model, {"prep__face": [StandardScaler(), "drop"]}, cv=3)
    assert search.fit(X, y).n_features_in_ == 6
    search = GridSearchCV(model, {"prep__face__with_mean": [True, False]}, cv=3)
    assert search.fit(X, y).score(X, y) >= 2 / 3


def test_pickled_transformer_gives_the_same_bits(X):
    prep = ModalityTransformer({"face": StandardScaler()}).fit(X)
    np.testing.assert_array_equal(
        pickle.loads(pickle.dumps(prep)).transform(X)["face"], prep.transform(X)["face"]
    )


def test_pandas_output_leaves_modalities_alone(X):
    prep = ModalityTransformer({"face": StandardScaler()})
    with config_context(transform_output="pandas"):
        Xt = prep.fit_transform(X)
    assert isinstance(Xt, Modalities)
    assert isinstance(Xt["face"], pd.DataFrame)


def test_set_output_on_the_pipeline_names_columns(X):
    model = make_pipeline(ModalityTransformer({"face": StandardScaler()}), ModalityConcatenator())
    table = model.set_output(transform="pandas").fit_transform(X)
    assert table.columns.tolist() == [
        "face__x0", "face__x1", "face__x2", "face__x3", "voice__0", "voice__1"
    ]  # fmt: skip


# -- y, weights, metadata ------------------------------------------------------------------


class Recorder(TransformerMixin, BaseEstimator):
    """Remembers what `fit` was given."""

    def fit(self, X, y=None, sample_weight=None):
        self.y_, self.sample_weight_ = y, sample_weight
        return self

    def transform(self, X):
        return X


def test_target_reaches_supervised_transformers_in_the_rows_that_have_the_modality(y):
    place = np.array([["a"], ["b"], ["c"]] * 10, dtype=object)
    place[3] = None
    prep = ModalityTransformer({"place": TargetEncoder(cv=3)})
    prep.fit({"place": place}, y)
    alone = TargetEncoder(cv=3).fit(np.delete(place, 3, axis=0), np.delete(y, 3))
    np.testing.assert_array_equal(prep.transformers_["place"].encodings_[0], alone.encodings_[0])


def test_sample_weight_reaches_transformers_that_take_it(X):
    weight = np.arange(30.0)
    chain = make_pipeline(FunctionTransformer(), StandardScaler())
    prep = ModalityTransformer({"face": chain, "voice": PCA(1)}).fit(X, sample_weight=weight)
    expected = np.average(X["face"], axis=0, weights=weight)
    np.testing.assert_allclose(prep.transformers_["face"][-1].mean_, expected)


def test_sample_weight_is_cut_to_the_rows_that_have_the_modality(X, y):
    face = X["face"].copy()
    face[0] = np.nan
    prep = ModalityTransformer({"face": Recorder()})
    prep.fit({"face": face}, y, sample_weight=np.arange(30.0))
    np.testing.assert_array_equal(prep.transformers_["face"].sample_weight_, np.arange(1.0, 30))
    np.testing.assert_array_equal(prep.transformers_["face"].y_, y[1:])


def test_unknown_metadata_is_refused_without_routing(X):
    with pytest.raises(ValueError, match=r"enable_metadata_routing=True.*speed"):
        ModalityTransformer({"face": StandardScaler()}).fit(X, speed=3)


def test_routing_passes_only_what_is_requested(X, y):
    weight = np.arange(30.0)
    with config_context(enable_metadata_routing=True):
        prep = ModalityTransformer(
            {
                "face": Recorder().set_fit_request(sample_weight=True),
                "voice": Recorder().set_fit_request(sample_weight=False),
            }
        )
        prep.fit(X, y, sample_weight=weight)
        model = make_pipeline(prep, ModalityConcatenator(), LogisticRegression())
        model[-1].set_fit_request(sample_weight=False)
        model.fit(X, y, sample_weight=weight)
    np.testing.assert_array_equal(prep.transformers_["face"].sample_weight_, weight)
    assert prep.transformers_["voice"].sample_weight_ is None
    assert model[0].transformers_["face"].sample_weight_ is not None


def test_routing_refuses_what_nobody_has_decided_on(X, y):
    from sklearn.exceptions import UnsetMetadataPassedError

    with (
        config_context(enable_metadata_routing=True),
        pytest.raises(UnsetMetadataPassedError, match="sample_weight"),
    ):
        ModalityTransformer({"face": Recorder()}).fit(X, y, sample_weight=np.ones(30))


# -- bad input -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("transformers", "error", "message"),
    [
        ({"gait": StandardScaler()}, ValueError, r"`transformers` names modality 'gait'"),
        ({"face": LogisticRegression()}, TypeError, r"`transformers`.*'face' must be a transf"),
        ({"face": StandardScaler}, TypeError, "must be a transformer instance"),
        ({"face": "skip"}, TypeError, "'passthrough' or 'drop'; got 'skip'"),
        ([("face", StandardScaler())], TypeError, "`transformers` must map names"),
        ({"face": "drop", "voice": "drop"}, ValueError, "drops every modality"),
        ({"remainder": StandardScaler()}, ValueError, "conflict with constructor arguments"),
    ],
)
def test_bad_transformers_are_refused(X, transformers, error, message):
    with pytest.raises(error, match=message):
        ModalityTransformer(transformers).fit(X)


def test_transformer_that_drops_rows_is_refused(X):
    prep = ModalityTransformer({"face": FunctionTransformer(lambda a: a[1:])})
    with pytest.raises(ValueError, match="number of rows of 'face' from 30 to 29"):
        prep.fit(X)


def test_error_inside_a_transformer_says_which_modality(X):
    prep = ModalityTransformer({"face": PCA(99)})
    with pytest.raises(ValueError, match="n_components") as caught:
        prep.fit(X)
    assert str(caught.value).startswith("`X` modality 'face' cannot be fitted by PCA")


def test_changed_shape_is_refused(X):
    prep = ModalityTransformer({"face": StandardScaler()}).fit(X)
    with pytest.raises(ValueError, match=r"'face' has shape \(3,\).*\(4,\) was seen in fit"):
        prep.transform({"face": X["face"][:, :3], "voice": X["voice"]})


def test_unknown_modality_is_refused(X):
    prep = ModalityTransformer({"face": StandardScaler()}).fit(X)
    with pytest.raises(ValueError, match="'gait', not seen in fit"):
        prep.transform({"face": X["face"], "gait": X["voice"]})


def test_failed_fit_leaves_the_earlier_state(X):
    prep = ModalityTransformer({"face": StandardScaler()}).fit(X)
    before = prep.transform(X)["face"]
    with pytest.raises(ValueError, match="infinity"):
        prep.fit({"face": np.full((5, 7), np.inf), "extra": np.ones(5)})
    assert prep.modality_names_ == ["face", "voice"]
    np.testing.assert_array_equal(prep.transform(X)["face"], before)


def test_unequal_lengths_of_target_are_refused(X):
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        ModalityTransformer({"face": StandardScaler()}).fit(X, np.ones(7))


def test_column_names_that_repeat_are_refused_before_a_transformer_meets_them():
    twice = pd.DataFrame(np.ones((6, 2)), columns=["a", "a"])
    prep = ModalityTransformer({"face": StandardScaler()})
    with pytest.raises(ValueError, match="`X` modality 'face' has more than one column 'a'"):
        prep.fit({"face": twice})


def test_what_a_transformer_says_of_values_is_said_of_their_modality():
    words = np.array([["cat"]] * 6, dtype=object)
    prep = ModalityTransformer({"face": SimpleImputer()})
    with pytest.raises(ValueError, match="`X` modality 'face' cannot be fitted by SimpleImputer"):
        prep.fit({"face": words})
    prep.fit({"face": np.ones((6, 1))})
    with pytest.raises(ValueError, match="'face' cannot be transformed by SimpleImputer"):
        prep.transform({"face": words})


class Doubler(BaseEstimator):
    """A transformer in two steps, which gives a list."""

    def fit(self, X, y=None, factor=2.0):
        self.factor_ = factor
        return self

    def transform(self, X):
        return (self.factor_ * X).tolist()


def test_a_transformer_in_two_steps_that_gives_lists(X):
    found = ModalityTransformer({"face": Doubler()}).fit_transform(X)
    np.testing.assert_array_equal(found["face"], 2 * X["face"])
    with config_context(enable_metadata_routing=True):
        prep = ModalityTransformer({"face": Doubler().set_fit_request(factor=True)})
        np.testing.assert_array_equal(prep.fit(X, factor=3.0).transform(X)["face"], 3 * X["face"])
        np.testing.assert_array_equal(prep.fit_transform(X, factor=4.0)["face"], 4 * X["face"])


def test_numbers_beyond_float64_are_named_in_fit_and_after_it():
    X = {"face": np.arange(6.0).reshape(3, 2), "voice": np.arange(3.0)[:, None]}
    huge = X | {"voice": np.array([[1], [10**400], [2]], dtype=object)}
    scale = ModalityTransformer({}, remainder=StandardScaler())
    with pytest.raises(ValueError, match="`X` modality 'voice' has numbers beyond float64"):
        scale.fit(huge)
    with pytest.raises(ValueError, match="`X` modality 'voice' has numbers beyond float64"):
        scale.fit(X).transform(huge)


@pytest.mark.parametrize("unit", ["m8[us]", "M8[us]"])
@pytest.mark.parametrize("form", ["array", "pandas", "polars"])
def test_dates_and_durations_are_no_numbers_to_a_scaler(unit, form):
    times = np.arange(4).astype(unit)[:, None]
    X = {"face": np.arange(8.0).reshape(4, 2), "voice": np.arange(4.0)[:, None]}
    if form != "array":
        times = pd.DataFrame(times, columns=["when"])
    if form == "polars":
        times = pytest.importorskip("polars").from_pandas(times)
    scale = ModalityTransformer({}, remainder=make_pipeline(StandardScaler(), PCA(1)))
    named = "`X` modality 'voice'" if form == "array" else "`X` modality 'voice' .* 'when'"
    with pytest.raises(TypeError, match=named):
        scale.fit(X | {"voice": times})
    with pytest.raises(TypeError, match=named):
        scale.fit(X).transform(X | {"voice": times})
    # who knows what to do with them gets them
    kept = ModalityTransformer({"voice": FunctionTransformer()}, remainder="passthrough")
    assert kept.fit_transform(X | {"voice": times})["voice"].shape == (4, 1)


@pytest.mark.parametrize("form", ["array", "objects", "pandas", "polars"])
def test_digits_in_text_are_no_numbers_to_a_scaler(form):
    digits = np.array([["7"], ["1"], ["2"], ["3"]])
    X = {"face": np.arange(8.0).reshape(4, 2), "voice": np.arange(4.0)[:, None]}
    if form == "objects":
        digits = np.array([["7"], [1], [2], [3]], dtype=object)
    elif form != "array":
        digits = pd.DataFrame(digits, columns=["when"])
    if form == "polars":
        digits = pytest.importorskip("polars").from_pandas(digits)
    scale = ModalityTransformer({}, remainder=StandardScaler())
    words = {"array": "got dtype <U1", "objects": "column 0 holds text"}
    words = "`X` modality 'voice' must be numeric; " + words.get(form, "column 'when' holds text")
    with pytest.raises(ValueError, match=words):
        scale.fit(X | {"voice": digits})
    with pytest.raises(ValueError, match=words):
        scale.fit(X).transform(X | {"voice": digits})
