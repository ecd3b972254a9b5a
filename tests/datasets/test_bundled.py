"""Views of data that ship with scikit-learn."""

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_breast_cancer, load_digits, load_wine

from sk_mmbalance import Modalities
from sk_mmbalance.datasets import load_breast_cancer_views, load_digits_views, load_wine_views

SHAPES = {
    load_breast_cancer_views: {"error": (569, 10), "mean": (569, 10), "worst": (569, 10)},
    load_digits_views: {"lower": (1797, 32), "upper": (1797, 32)},
    load_wine_views: {"colour": (178, 3), "composition": (178, 6), "phenols": (178, 4)},
}
ORIGINALS = {
    load_breast_cancer_views: load_breast_cancer,
    load_digits_views: load_digits,
    load_wine_views: load_wine,
}
loaders = pytest.mark.parametrize("load", SHAPES, ids=lambda load: load.__name__)


@loaders
def test_bunch_holds_modalities_of_the_documented_shapes(load):
    bunch = load()
    assert isinstance(bunch.data, Modalities)
    assert {m: bunch.data[m].shape for m in bunch.data.names} == SHAPES[load]
    assert {m: len(names) for m, names in bunch.feature_names.items()} == {
        m: shape[1] for m, shape in SHAPES[load].items()
    }
    assert len(bunch.target_names) == len(np.unique(bunch.target))
    assert bunch.DESCR.splitlines()[1].startswith("===")


@loaders
def test_every_feature_of_the_original_stands_in_exactly_one_view(load):
    bunch, original = load(), ORIGINALS[load]()
    views = np.hstack([bunch.data[m] for m in bunch.data.names])
    assert views.shape == original.data.shape
    # as multisets of columns
    sort = np.lexsort
    np.testing.assert_array_equal(
        views[:, sort(views)], original.data[:, sort(np.asarray(original.data))]
    )
    np.testing.assert_array_equal(bunch.target, original.target)


@pytest.mark.parametrize(
    ("load", "original"),
    [(load_breast_cancer_views, load_breast_cancer), (load_wine_views, load_wine)],
)
def test_feature_names_go_with_their_columns(load, original):
    bunch, source = load(), original()
    column = {str(name): i for i, name in enumerate(source.feature_names)}
    for m in bunch.data.names:
        for j, name in enumerate(bunch.feature_names[m]):
            np.testing.assert_array_equal(bunch.data[m][:, j], source.data[:, column[name]])


def test_breast_cancer_features_stand_in_the_view_of_their_statistic():
    names = load_breast_cancer_views().feature_names
    assert all(name.startswith("mean ") for name in names["mean"])
    assert all(name.endswith(" error") for name in names["error"])
    assert all(name.startswith("worst ") for name in names["worst"])


@loaders
def test_pair_is_the_data_and_target_of_the_bunch(load):
    bunch = load()
    X, y = load(return_X_y=True)
    for m in X.names:
        np.testing.assert_array_equal(X[m], bunch.data[m])
    np.testing.assert_array_equal(y, bunch.target)


@loaders
def test_frame_has_modalities_as_first_column_level(load):
    bunch, arrays = load(as_frame=True), load().data
    assert isinstance(bunch.data, pd.DataFrame)
    assert isinstance(bunch.target, pd.Series)
    again = Modalities.from_frame(bunch.data)
    assert again.names == arrays.names
    for m in again.names:
        assert list(again[m].columns) == bunch.feature_names[m]
        np.testing.assert_array_equal(again[m].to_numpy(), arrays[m])


@loaders
def test_changing_loaded_data_changes_no_later_load(load):
    first = load().data
    for m in first.names:
        first[m][...] = -1.0
    assert load().data[m].max() > 0


def test_parts_of_digits_show_their_half_of_the_image():
    images = load_digits().images
    X, _ = load_digits_views(
        views=["image", "upper", "lower", "left", "right"], as_images=True, return_X_y=True
    )
    assert X["image"].shape == (1797, 1, 8, 8)
    np.testing.assert_array_equal(np.concatenate([X["upper"], X["lower"]], axis=2)[:, 0], images)
    np.testing.assert_array_equal(np.concatenate([X["left"], X["right"]], axis=3)[:, 0], images)


def test_flat_and_image_form_hold_the_same_pixels():
    flat = load_digits_views(views=["left"]).data["left"]
    image = load_digits_views(views=["left"], as_images=True).data["left"]
    np.testing.assert_array_equal(image.reshape(flat.shape), flat)


def test_digit_feature_names_locate_their_pixels():
    images = load_digits().images
    bunch = load_digits_views(views=["right", "columns"])
    j = bunch.feature_names["right"].index("pixel_3_6")
    np.testing.assert_array_equal(bunch.data["right"][:, j], images[:, 3, 6])
    j = bunch.feature_names["columns"].index("column_5")
    np.testing.assert_array_equal(bunch.data["columns"][:, j], images[:, :, 5].sum(axis=1))


def test_overlapping_views_do_not_share_memory():
    X = load_digits_views(views=["image", "upper"]).data
    assert not np.shares_memory(X["image"], X["upper"])


@pytest.mark.parametrize("views", [[], ["upper", "upper"], ["middle"], "middle"])
def test_bad_views_are_refused_by_name(views):
    with pytest.raises(ValueError, match="`views` must hold one or more different names"):
        load_digits_views(views=views)


def test_images_cannot_be_a_frame():
    with pytest.raises(ValueError, match="`as_frame=True` needs flat modalities"):
        load_digits_views(as_images=True, as_frame=True)
