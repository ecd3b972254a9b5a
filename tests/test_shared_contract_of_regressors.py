"""What every regressor must do with modalities of any number and kind."""

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.ensemble import StackingRegressor, VotingRegressor
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, cross_val_predict
from sklearn.multioutput import MultiOutputClassifier, MultiOutputRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sk_mmbalance import (
    LateFusionClassifier,
    Modalities,
    ModalityConcatenator,
    ModalityTransformer,
)
from tests._estimators import BLOCKS, every_regressor, flat, toy, toy_numbers
from tests.test_shared_contract import with_holes


@every_regressor
@pytest.mark.parametrize("n_modalities", [1, 2, 5])
def test_any_number_of_modalities(regressor, n_modalities):
    rng = np.random.default_rng(0)
    y = rng.normal(size=60)
    X = Modalities(
        {f"m{i}": 3 * y[:, None] + rng.normal(size=(60, i + 1)) for i in range(n_modalities)}
    )
    model = clone(regressor).fit(X, y)
    assert model.score(X, y) > 0.8
    assert model.modality_names_ == list(X)


@every_regressor
def test_images_vectors_and_sequences_together(regressor):
    rng = np.random.default_rng(0)
    y = rng.normal(size=60)
    X = Modalities(
        image=rng.normal(size=(60, 1, 8, 8)) + 3 * y[:, None, None, None],
        sequence=rng.normal(size=(60, 5, 3)) + 3 * y[:, None, None],
        vector=rng.normal(size=(60, 4)) + 3 * y[:, None],
    )
    assert clone(regressor).fit(X, y).score(X, y) > 0.8


@every_regressor
def test_missing_rows_in_fit_and_predict(regressor):
    X, y = toy_numbers()
    holes = with_holes(X)
    model = clone(regressor).set_params(missing="mask").fit(holes, y)
    assert np.isfinite(model.predict(holes)).all()
    assert model.score(holes, y) > 0.2
    for name, own in model.unimodal_predict(holes).items():
        np.testing.assert_array_equal(np.isnan(own), np.isnan(holes[name]).all(axis=1))


@every_regressor
def test_modality_left_out_at_predict_equals_all_its_rows_missing(regressor):
    X, y = toy_numbers()
    model = clone(regressor).set_params(missing="mask").fit(X, y)
    np.testing.assert_array_equal(
        model.predict(X.select(["voice"])),
        model.predict({"face": np.full((60, 3), np.nan), "voice": X["voice"]}),
    )


@every_regressor
def test_forms_of_input_change_no_bit(regressor):
    X, y = toy_numbers()
    expected = clone(regressor).fit(X, y).predict(X)
    by_dict = {name: X[name] for name in X}
    frame = pd.concat({name: pd.DataFrame(X[name]) for name in X}, axis=1)
    for form in (by_dict, frame):
        np.testing.assert_array_equal(clone(regressor).fit(form, y).predict(form), expected)
    cut = clone(regressor).set_params(modalities=BLOCKS).fit(flat(X), y)
    np.testing.assert_array_equal(cut.predict(flat(X)), expected)


@every_regressor
def test_tools_of_scikit_learn(regressor):
    X, y = toy_numbers()
    chain = make_pipeline(ModalityTransformer({"face": StandardScaler()}), clone(regressor))
    grid = {"modalitytransformer__face__with_mean": [True, False]}
    assert GridSearchCV(chain, grid, cv=2, error_score="raise").fit(X, y).score(X, y) > 0.6
    assert cross_val_predict(regressor, X, y, cv=3).shape == (60,)
    members = [
        ("ours", clone(regressor)),
        ("early", make_pipeline(ModalityConcatenator(), Ridge())),
    ]
    assert StackingRegressor(members, cv=2).fit(X, y).score(X, y) > 0.7
    assert VotingRegressor(members).fit(X, y).score(X, y) > 0.7
    model = clone(regressor).fit(X, y)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).predict(X), model.predict(X))


@every_regressor
def test_wrapper_for_several_columns_takes_modalities(regressor):
    X, y = toy_numbers()
    several = np.column_stack([y, -y])
    wrapped = MultiOutputRegressor(clone(regressor)).fit(X, several)
    assert wrapped.predict(X).shape == (60, 2)
    np.testing.assert_allclose(wrapped.predict(X)[:, 0], clone(regressor).fit(X, y).predict(X))


def test_wrapper_that_the_error_names_takes_modalities():
    X, y = toy(n_classes=3)
    several = np.column_stack([y, (y + 1) % 3])
    with pytest.raises(ValueError, match=r"sklearn\.multioutput\.MultiOutputClassifier"):
        LateFusionClassifier().fit(X, several)
    wrapped = MultiOutputClassifier(LateFusionClassifier()).fit(X, several)
    assert wrapped.predict(X).shape == (60, 2)
    assert (wrapped.predict(X) == several).mean() > 0.7
