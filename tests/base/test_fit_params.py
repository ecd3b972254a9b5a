"""Which parameters of `fit` hand weights and groups to an estimator, whatever it is wrapped in."""

import pytest
from sklearn.decomposition import PCA
from sklearn.feature_selection import SelectKBest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, GroupKFold, PredefinedSplit, StratifiedKFold
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sk_mmbalance import DeepEnsembleClassifier, DeepEnsembleRegressor, MultimodalClassifier
from sk_mmbalance.base import group_params, weight_params
from sk_mmbalance.model_selection import VectorizedGridSearchCV

NETWORK = MultimodalClassifier()
CHAIN = make_pipeline(StandardScaler(), NETWORK)


def test_weights_go_to_every_step_that_takes_them():
    chain = make_pipeline(StandardScaler(), PCA(), LogisticRegression())
    expected = {"standardscaler__sample_weight": 1, "logisticregression__sample_weight": 1}
    assert weight_params(chain, 1) == expected
    nested = make_pipeline(chain, KNeighborsClassifier())
    assert set(weight_params(nested, 1)) == {f"pipeline__{name}" for name in expected}
    assert weight_params(GridSearchCV(LogisticRegression(), {}), 1) == {"sample_weight": 1}
    assert weight_params(make_pipeline("passthrough", SelectKBest()), 1) == {}


def test_weights_go_into_a_deep_ensemble_as_into_its_members():
    assert weight_params(DeepEnsembleRegressor(), 1) == {"sample_weight": 1}
    assert weight_params(DeepEnsembleClassifier(CHAIN), 1) == weight_params(CHAIN, 1)
    assert weight_params(DeepEnsembleClassifier(KNeighborsClassifier()), 1) == {}


class Splitter:
    """What scikit-learn takes for a splitter, and nothing more."""

    def split(self, X, y=None, groups=None):
        yield from GroupKFold(2).split(X, y, groups)

    def get_n_splits(self, X=None, y=None, groups=None):
        return 2


@pytest.mark.parametrize("search", [GridSearchCV, VectorizedGridSearchCV])
@pytest.mark.parametrize(
    ("cv", "takes"),
    [
        (GroupKFold(2), True),
        (Splitter(), True),
        (3, False),
        (None, False),
        ([([0], [1])], False),
        (StratifiedKFold(2), False),
        (PredefinedSplit([0, 1]), False),
    ],
)
def test_groups_go_to_a_search_whose_splitter_looks_at_them(search, cv, takes):
    by_cv = {"groups": 1} if takes else {}
    assert group_params(search(NETWORK, {}, cv=cv), 1) == by_cv
    inside = {"multimodalclassifier__groups": 1}
    assert group_params(search(CHAIN, {}, cv=cv), 1) == inside | by_cv


def test_groups_go_to_what_learns():
    ensemble = DeepEnsembleClassifier(CHAIN)
    inside = {"multimodalclassifier__groups": 1}
    assert group_params(ensemble, 1) == group_params(CHAIN, 1) == inside
    assert group_params(DeepEnsembleRegressor(), 1) == {"groups": 1}
    nested = make_pipeline(StandardScaler(), ensemble)
    assert group_params(nested, 1) == {"deepensembleclassifier__multimodalclassifier__groups": 1}
    for without in (LogisticRegression(), DeepEnsembleClassifier(LogisticRegression()), None):
        assert group_params(without, 1) == {}
    assert group_params(make_pipeline(StandardScaler(), "passthrough"), 1) == {}
