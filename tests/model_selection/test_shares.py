"""Large searches are divided over processes, which changes nothing but the time they take."""

import pickle
import warnings

import numpy as np
import pytest
from joblib import parallel_config
from sklearn.exceptions import FitFailedWarning
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sk_mmbalance import Modalities, ModalityTransformer, MultimodalClassifier
from sk_mmbalance.exceptions import ScaleWarning
from sk_mmbalance.model_selection import VectorizedGridSearchCV, _shares
from tests.model_selection._compare import assert_same_results, classifier, make_rows

RATES = {"lr": [0.003, 0.01, 0.02, 0.05]}


@pytest.fixture
def much(monkeypatch):
    """Whatever is searched is worth processes."""
    monkeypatch.setattr(_shares, "WORTH_PROCESSES", 0.0)


@pytest.fixture
def near(much, monkeypatch):
    """What processes would do is done here, one share after another, and handed over as bytes."""

    class Here:
        def __init__(self, n_jobs):
            self.n_jobs = n_jobs

        def __call__(self, tasks):
            train, handed = None, []
            for wrapped, args, _ in tasks:
                train = wrapped.function
                handed.append(pickle.loads(pickle.dumps(args)))
            self.shares.extend(handed)
            done = [train(*args) for args in handed]
            self.given_back.extend(done)
            return pickle.loads(pickle.dumps(done))

        shares: list = []
        given_back: list = []

    monkeypatch.setattr(_shares, "Parallel", Here)
    return Here


def search(estimator, grid, X, y, **settings):
    return VectorizedGridSearchCV(estimator, grid, cv=3, **{"stack": True, **settings}).fit(X, y)


@pytest.mark.parametrize("halving", [None, [2]])
def test_results_are_those_of_one_process(near, halving):
    X, y = make_rows()
    clf = classifier(max_epochs=5)
    alone = search(clf, RATES, X, y, halving=halving, refit=halving is None)
    near.shares.clear()
    divided = search(clf, RATES, X, y, halving=halving, refit=halving is None, n_jobs=2)
    assert [len(args[1]) for args in near.shares] == [2, 2]
    assert divided.vectorized_["stack"].tolist() == [0, 1, 0, 1]
    if halving is None:
        assert_same_results(alone, divided, apart=1e-8)
    else:  # every stack gives up its worse half
        assert sum(n > 0 for n in divided.cv_results_["dropped_after"]) == 2


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of the cluster's own
def test_workers_of_a_dask_cluster_take_a_share_each(much):
    distributed = pytest.importorskip("distributed")
    X, y = make_rows()
    alone = search(classifier(max_epochs=3), RATES, X, y, refit=False)
    cluster = distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None
    )
    with cluster, distributed.Client(cluster), parallel_config(backend="dask"):
        divided = search(classifier(max_epochs=3), RATES, X, y, refit=False, n_jobs=2)
    assert divided.vectorized_["stack"].tolist() == [0, 1, 0, 1]
    for key in ("mean_test_score", "std_test_score"):
        np.testing.assert_allclose(divided.cv_results_[key], alone.cv_results_[key], atol=1e-12)


def test_a_pipeline_and_what_cannot_be_stacked_beside_it(near):
    X, y = make_rows()
    pipe = make_pipeline(ModalityTransformer({"a": StandardScaler()}), classifier(max_epochs=3))
    grid = {"multimodalclassifier__dropout": [0.0, 0.3], "multimodalclassifier__lr": [0.01, 0.02]}
    plain = GridSearchCV(pipe, grid, cv=3).fit(X, y)
    divided = search(pipe, grid, X, y, n_jobs=2)
    assert divided.vectorized_["stacked"].tolist() == [True, True, False, False]
    assert_same_results(plain, divided, apart=1e-8)


def test_candidates_of_many_forms_are_shared_out(near):
    X, y = make_rows()
    near.shares.clear()
    search(classifier(max_epochs=2), {"batch_size": [8, 16, 24, 30]}, X, y, n_jobs=2)
    sizes = [[c["batch_size"] for c in args[1]] for args in near.shares]
    assert sizes == [[8, 24], [16, 30]]


def test_models_at_once_are_shared_out(near):
    X, y = make_rows()
    near.shares.clear()
    search(classifier(max_epochs=2), RATES, X, y, n_jobs=2, max_models=7)
    assert [args[0].max_models for args in near.shares] == [4, 4]


def test_a_network_that_diverges_fails_alone(near):
    X, y = make_rows()
    grid = {"lr": [0.01, 0.02, 1e20]}
    clf = classifier(max_epochs=5, optimizer="sgd")
    with pytest.warns(FitFailedWarning), pytest.warns(UserWarning, match="non-finite"):
        divided = search(clf, grid, X, y, n_jobs=2)
    assert np.isfinite(divided.cv_results_["mean_test_score"]).tolist() == [True, True, False]


def test_what_is_said_in_a_process_is_said_here_once(near):
    X, y = make_rows()
    large = Modalities({name: 1e6 * X[name] for name in X})
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        search(classifier(max_epochs=2), RATES, large, y, n_jobs=2, refit=False)
    texts = [str(w.message) for w in said if issubclass(w.category, ScaleWarning)]
    assert texts
    assert len(texts) == len(set(texts))


def test_the_bar_hears_of_the_epochs(near, capfd):
    X, y = make_rows()
    search(classifier(max_epochs=3), RATES, X, y, n_jobs=2, verbose=1)
    assert "36/36" in capfd.readouterr().err


def test_threads_do_what_cannot_be_handed_over(much, monkeypatch):
    class Refusing:
        def __init__(self, n_jobs):
            pass

        def __call__(self, tasks):
            raise pickle.PicklingError("no")

    monkeypatch.setattr(_shares, "Parallel", Refusing)
    X, y = make_rows()
    divided = search(classifier(max_epochs=3), RATES, X, y, n_jobs=2)
    assert divided.vectorized_["stack"].tolist() == [0, 1, 0, 1]


def test_little_work_is_not_divided(monkeypatch):
    monkeypatch.setattr(_shares, "Parallel", None)
    X, y = make_rows()
    assert search(classifier(max_epochs=3), RATES, X, y, n_jobs=2).vectorized_["stacked"].all()


@pytest.mark.slow  # starts processes
def test_processes_give_the_same(much):
    X, y = make_rows()
    clf = classifier(max_epochs=5)
    assert_same_results(
        search(clf, RATES, X, y), search(clf, RATES, X, y, n_jobs=2, verbose=1), apart=1e-8
    )


# -- handing over ------------------------------------------------------------------------------


def test_an_estimator_comes_out_of_its_bytes_as_it_went_in(near):
    X, y = make_rows()
    near.given_back.clear()
    grid = {"lr": [0.01, 0.02]}
    search(classifier(max_epochs=3), grid, X, y, n_jobs=2, refit=False)
    fitted = pickle.loads(near.given_back[0].outcomes)[0]
    train = next(iter(StratifiedKFold(3).split(X, y)))[0]
    clf = classifier(max_epochs=3, lr=0.01).fit(X[train], y[train])
    np.testing.assert_allclose(fitted.predict_proba(X), clf.predict_proba(X), atol=1e-8)
    held = {id(p) for group in fitted.net_.optimizer_.param_groups for p in group["params"]}
    assert held == {id(p) for p in fitted.net_.network.parameters()}
    np.testing.assert_allclose(
        fitted.partial_fit(X, y).predict_proba(X), clf.partial_fit(X, y).predict_proba(X), atol=1e-7
    )


def test_what_no_pickle_takes_is_left_to_other_picklers(much, monkeypatch):
    class Local(MultimodalClassifier):
        """Of the main program, say."""

    class Here:
        def __init__(self, n_jobs):
            pass

        def __call__(self, tasks):
            done = [wrapped.function(*args) for wrapped, args, _ in tasks]
            assert all(isinstance(share.outcomes, list) for share in done)
            return done

    monkeypatch.setattr(_shares, "Parallel", Here)
    X, y = make_rows()
    clf = Local(**classifier(max_epochs=2).get_params())
    found = search(clf, {"lr": [0.01, 0.02]}, X, y, n_jobs=2, refit=False)
    assert found.vectorized_["stacked"].all()
