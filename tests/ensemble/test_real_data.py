"""The baselines on real data, against figures that plain scikit-learn gives for the same rows."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sk_mmbalance import LateFusionClassifier, ModalityTransformer, UnimodalClassifier


def scaled(model):
    return make_pipeline(ModalityTransformer({}, remainder=StandardScaler()), model)


def test_experts_are_those_of_plain_scikit_learn_on_mfeat(load_real):
    data = load_real("mfeat")
    train, test = data.split == "train", data.split == "test"
    model = scaled(LateFusionClassifier()).fit(data.X[train], data.y[train])
    probas = model[-1].unimodal_predict_proba(model[:-1].transform(data.X[test]))
    for name in data.X:
        plain = make_pipeline(StandardScaler(), LogisticRegression(max_iter=10_000))
        plain.fit(data.X[name][train], data.y[train])
        np.testing.assert_allclose(probas[name], plain.predict_proba(data.X[name][test]))
    assert model.score(data.X[test], data.y[test]) == pytest.approx(0.990, abs=0.005)


def test_late_fusion_beats_the_best_modality_on_dermatology(load_real):
    data = load_real("dermatology")
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    late = cross_val_score(scaled(LateFusionClassifier()), data.X, data.y, cv=folds)
    single = cross_val_score(scaled(UnimodalClassifier()), data.X, data.y, cv=folds)
    assert late.mean() == pytest.approx(0.973, abs=0.01)
    assert late.mean() > single.mean()


def test_groups_decide_which_modality_is_best_on_avdigits(load_real):
    data = load_real("avdigits")
    rows = np.random.default_rng(0).permutation(len(data.y))[:1200]
    X, y, speakers = data.X[rows], data.y[rows], data.groups[rows]
    model = UnimodalClassifier(cv=3)
    scale = ModalityTransformer({}, remainder=StandardScaler())
    Xt = scale.fit_transform(X)
    assert model.fit(Xt, y).best_modality_ == "audio"  # the speakers are known
    assert model.fit(Xt, y, groups=speakers).best_modality_ == "image"  # the speakers are new
