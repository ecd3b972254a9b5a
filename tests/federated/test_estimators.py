"""The federated estimators: scikit-learn's contract, and what `fit` tells afterwards."""

import pickle

import numpy as np
import pytest
import sklearn
import torch
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sk_mmbalance import Modalities, ModalityTransformer, MultimodalClassifier
from sk_mmbalance.exceptions import NoUpdateWarning, ScaleWarning
from sk_mmbalance.federated import (
    ClientTrainer,
    CMSFedClassifier,
    FedAvgClassifier,
    FedCMIClassifier,
)

from .._checks import assert_all_checks_pass
from .conftest import blobs

FAST = {
    "hidden_layer_sizes": (8,),
    "feature_dim": 6,
    "n_rounds": 3,
    "local_epochs": 1,
    "random_state": 0,
}
CLASSES = [FedAvgClassifier, FedCMIClassifier, CMSFedClassifier]
every_class = pytest.mark.parametrize("cls", CLASSES)


def state(clf):
    return {key: value.numpy() for key, value in clf.net_.module_.state_dict().items()}


def equal(first, second, **tolerance):
    a, b = state(first), state(second)
    assert a.keys() == b.keys()
    for key in a:
        if tolerance:
            np.testing.assert_allclose(a[key], b[key], **tolerance)
        else:
            np.testing.assert_array_equal(a[key], b[key])


@pytest.mark.parametrize("cls", [FedCMIClassifier, CMSFedClassifier])
def test_all_checks_of_scikit_learn_pass(cls):
    """With few rounds, and without the baseline: it is the checks that take the time."""
    assert_all_checks_pass(cls(n_rounds=10, lr=0.05))


@pytest.mark.slow
@every_class
def test_all_checks_of_scikit_learn_pass_with_the_defaults(cls):
    assert_all_checks_pass(cls())


# -- federated averaging and central training ------------------------------------------------


def test_one_client_with_all_rows_equals_central_training():
    """One round of many local epochs: the same network, optimiser and first weights."""
    X, y = blobs()
    common = {"hidden_layer_sizes": (8,), "batch_size": 256, "lr": 0.05, "random_state": 3}
    alike = {"embedding_dim": 6, "unimodal_weight": 0.0, "optimizer": "sgd"}
    central = MultimodalClassifier(**common, **alike, max_epochs=12, early_stopping=False)
    central.fit(X, y)
    alone = FedAvgClassifier(**common, feature_dim=6, n_rounds=1, local_epochs=12).fit(X, y)
    assert set(state(central)) == set(state(alone))
    equal(central, alone, atol=1e-10)


def test_many_rounds_of_one_client_equal_a_hand_written_loop():
    X, y = blobs(dtype=np.float64)
    clf = FedAvgClassifier(
        **{**FAST, "n_rounds": 4}, momentum=0.0, weight_decay=0.0, batch_size=256, lr=0.1
    )
    start = clone(clf).set_params(lr=1e-300).fit(X, y).module_
    optimizer = torch.optim.SGD(start.parameters(), lr=0.1)
    inputs = {m: torch.from_numpy(X[m]) for m in X}
    for _ in range(4):
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(start(inputs).logits, torch.from_numpy(y))
        loss.backward()
        optimizer.step()
    fitted = clf.fit(X, y).module_.state_dict()
    for key, value in start.state_dict().items():
        np.testing.assert_allclose(fitted[key], value, atol=1e-10)


def test_clients_of_equal_rows_give_what_one_of_them_gives():
    X, y = blobs(n=40)
    thrice = Modalities({m: np.concatenate([X[m]] * 3) for m in X})
    clients = np.repeat([0, 1, 2], 40)
    params = {**FAST, "batch_size": 64, "clients_per_round": 3}
    together = FedAvgClassifier(**params).fit(thrice, np.concatenate([y] * 3), clients=clients)
    equal(together, FedAvgClassifier(**params).fit(X, y), atol=1e-10)


def test_full_batches_of_equal_clients_equal_a_step_on_all_rows():
    """One local step without momentum: the mean of the clients' gradients is that of all rows."""
    X, y = blobs(n=120)
    params = {**FAST, "n_rounds": 5, "batch_size": 256, "momentum": 0.0, "weight_decay": 0.0}
    clients = np.repeat([0, 1], [40, 80])
    together = FedAvgClassifier(**params, clients_per_round=2).fit(X, y, clients=clients)
    equal(together, FedAvgClassifier(**params).fit(X, y), atol=1e-10)


def test_proximal_term_of_nought_is_federated_averaging(incongruent):
    X, y, clients = incongruent
    params = {**FAST, "missing": "mask", "batch_size": 8}
    plain, none, some = (
        FedAvgClassifier(**params, **more).fit(X, y, clients=clients)
        for more in ({}, {"prox_mu": 0.0}, {"prox_mu": 1.0})
    )
    equal(plain, none)
    assert not np.allclose(state(plain)["fusion.bias"], state(some)["fusion.bias"])


# -- clients --------------------------------------------------------------------------------


@every_class
def test_ids_may_be_of_any_type_and_their_names_change_nothing(cls, incongruent):
    X, y, clients = incongruent
    names = np.array(["Berne", "Geneva", "Lausanne", "Zurich"])
    numbered = cls(**FAST, missing="mask").fit(X, y, clients=clients)
    named = cls(**FAST, missing="mask").fit(X, y, clients=names[clients])
    equal(numbered, named)
    assert numbered.clients_.tolist() == [0, 1, 2, 3]
    assert named.clients_.tolist() == names.tolist()
    assert [names[c].tolist() for c in numbered.history_["clients"]] == [
        list(c) for c in named.history_["clients"]
    ]


@every_class
def test_history_tells_each_round(cls, incongruent):
    X, y, clients = incongruent
    clf = cls(**FAST, missing="mask", clients_per_round=2)
    clf.fit(X, y, clients=clients, eval_set=(X[:50], y[:50]))
    history = clf.history_
    assert history["round"].tolist() == [1, 2, 3]
    assert clf.n_rounds_ == len(clf.plan_) == 3
    last = history.iloc[-1]
    assert last["clients"] == list(last["modalities"]) == list(clf.plan_[-1])
    assert set(last["client_accuracy"]) == {0, 1, 2, 3}
    assert last["accuracy"] == pytest.approx(clf.score(X, y))
    assert last["valid_accuracy"] == pytest.approx(clf.score(X[:50], y[:50]))
    for k in range(4):
        own = clients == k
        assert last["client_accuracy"][k] == pytest.approx(clf.score(X[own], y[own]))
    own = clf.unimodal_predict_proba(X)
    for name in "ab":
        here = ~np.isnan(X[name]).any(axis=1)
        right = clf.classes_[own[name][here].argmax(axis=1)] == y[here]
        assert last[f"{name}__accuracy"] == pytest.approx(right.mean())
    assert (history[["bytes_down", "bytes_up", "bytes_evaluation", "seconds"]] > 0).all(axis=None)
    log = clf.selection_log_
    assert log.columns.tolist() == ["round", "client", "modalities", "outcome"]
    assert len(log) == 6
    assert set(log["outcome"]) == {"aggregated"}
    for _, entry in log.iterrows():
        assert clf.plan_[entry["round"] - 1][entry["client"]] == entry["modalities"]
        lacking = {2: "b", 3: "a"}.get(entry["client"])
        assert lacking not in entry["modalities"]


def test_verbose_shows_rounds_and_says_what_was_learnt(capsys):
    X, y = blobs()
    FedAvgClassifier(**FAST, verbose=1).fit(X, y, clients=np.arange(120) % 3)
    out, err = capsys.readouterr()
    assert out.startswith("FedAvgClassifier: ")
    assert ", 3 clients" in out
    assert "round" in err


def test_evaluation_can_be_rarer_or_left_out(incongruent):
    X, y, clients = incongruent
    params = {**FAST, "n_rounds": 5, "missing": "mask"}
    often, rare, never = (
        FedAvgClassifier(**params, evaluate_every=k).fit(X, y, clients=clients) for k in (1, 2, 0)
    )
    assert rare.history_["accuracy"].notna().tolist() == [False, True, False, True, True]
    assert "accuracy" not in never.history_
    equal(often, never)


@every_class
def test_dropouts_and_stragglers_are_in_the_log(cls, incongruent):
    X, y, clients = incongruent

    def dropped(number, client):
        return number == 2 and client == "c1"

    clf = cls(
        **FAST, missing="mask", clients_per_round=4, dropout_rate=dropped, straggler_rate=0.3
    ).fit(X, y, clients=np.array(["c0", "c1", "c2", "c3"])[clients])
    outcomes = set(clf.selection_log_["outcome"])
    assert outcomes == {"aggregated", "dropped", "late"}
    gone = clf.selection_log_.query("outcome == 'dropped'")
    assert gone[["round", "client"]].to_numpy().tolist() == [[2, "c1"]]
    assert clf.history_.loc[1, "skipped"]["c1"] == "dropped"


@pytest.mark.parametrize("parameter", ["dropout_rate", "straggler_rate"])
@pytest.mark.parametrize(
    ("rate", "said"),
    [
        (len, "failed: len"),
        (lambda number, client: "often", "returned 'often'"),
        (lambda number, client: 1.5, "returned 1.5"),
        (lambda number, client: np.nan, "returned nan"),
        (lambda number, client: None, "returned None"),
    ],
)
def test_rate_that_gives_no_probability_is_named(parameter, rate, said):
    X, y = blobs()
    with pytest.raises(
        (TypeError, ValueError), match=f"`{parameter}`, called with round 1.*{said}"
    ):
        FedAvgClassifier(**{**FAST, parameter: rate}).fit(X, y)


def test_what_a_rate_of_the_users_raises_is_theirs():
    X, y = blobs()
    with pytest.raises(ZeroDivisionError) as caught:
        FedAvgClassifier(**FAST, dropout_rate=lambda number, client: number / 0).fit(X, y)
    assert "`dropout_rate`, called with round 1" in caught.value.__notes__[0]


def test_diverging_clients_leave_the_model_and_warn():
    X, y = blobs()
    with pytest.warns(NoUpdateWarning, match="NaN or infinite"):
        clf = FedAvgClassifier(**{**FAST, "n_rounds": 1, "local_epochs": 20}, lr=1e30).fit(X, y)
    assert np.isfinite(clf.predict_proba(X)).all()


@every_class
def test_warning_of_a_round_without_update_names_the_line_that_called_fit(cls):
    X, y = blobs(n=20)
    with pytest.warns(NoUpdateWarning, match="stays as it was") as caught:
        cls(**{**FAST, "n_rounds": 1}, dropout_rate=1.0).fit(X, y)
    assert [warning.filename for warning in caught] == [__file__]


@every_class
def test_client_whose_rows_weigh_nothing_does_not_exist(cls):
    X, y = blobs()
    clients = np.arange(120) % 3
    weighted = cls(**FAST).fit(X, y, sample_weight=(clients < 2).astype(float), clients=clients)
    kept = clients < 2
    removed = cls(**FAST).fit(X[kept], y[kept], clients=clients[kept])
    assert weighted.clients_.tolist() == [0, 1]
    equal(weighted, removed, atol=1e-10)


@every_class
@pytest.mark.parametrize("n_modalities", [1, 3])
def test_rows_that_lack_modalities_within_a_client(cls, n_modalities):
    X, y = blobs(n=160, dims=(4, 3, 2)[:n_modalities], spread=3.0)
    values = {m: X[m].copy() for m in X}
    if n_modalities > 1:
        absent = np.random.default_rng(0).random((160, n_modalities)) < 0.4
        absent[absent.all(axis=1), 0] = False
        for column, name in enumerate(X):
            values[name][absent[:, column]] = np.nan
    holes = Modalities(values)
    params = {**FAST, "n_rounds": 20, "missing": "mask", "batch_size": 16, "clients_per_round": 2}
    clf = cls(**params).fit(holes, y, clients=np.arange(160) % 2)
    assert clf.score(holes, y) > 0.75
    for name, proba in clf.unimodal_predict_proba(holes).items():
        missing = np.isnan(holes[name]).all(axis=1)
        np.testing.assert_array_equal(np.isnan(proba).any(axis=1), missing)


@every_class
def test_order_and_names_of_modalities_change_nothing(cls):
    X, y = blobs()
    clients = np.arange(120) % 3
    first = cls(**FAST).fit({"a": X["a"], "b": X["b"]}, y, clients=clients)
    second = cls(**FAST).fit({"b": X["b"], "a": X["a"]}, y, clients=clients)
    equal(first, second)


# -- scikit-learn around it -----------------------------------------------------------------


@pytest.fixture
def _routing():
    with sklearn.config_context(enable_metadata_routing=True):
        yield


def pipeline(clf):
    return make_pipeline(ModalityTransformer({}, remainder=StandardScaler()), clf)


@every_class
@pytest.mark.usefixtures("_routing")
def test_client_ids_are_routed_through_pipeline_and_grid_search(cls):
    X, y = blobs()
    clients = np.array(["x", "y", "z"])[np.arange(120) % 3]
    clf = cls(**FAST).set_fit_request(clients=True)
    search = GridSearchCV(pipeline(clf), {f"{cls.__name__.lower()}__lr": [0.01, 0.02]}, cv=2)
    search.fit(X, y, clients=clients)
    assert search.best_estimator_[-1].clients_.tolist() == ["x", "y", "z"]
    direct = clone(pipeline(clf)).set_params(**search.best_params_)
    equal(search.best_estimator_[-1], direct.fit(X, y, clients=clients)[-1], atol=1e-10)


def test_client_ids_reach_a_grid_search_without_routing():
    X, y = blobs()
    search = GridSearchCV(FedAvgClassifier(**FAST), {"lr": [0.01]}, cv=2)
    search.fit(X, y, clients=np.arange(120) % 3)
    assert search.best_estimator_.clients_.tolist() == [0, 1, 2]


@every_class
def test_pickle_gives_the_same_predictions_and_goes_on_the_same_way(cls, incongruent):
    X, y, clients = incongruent
    clf = cls(**FAST, missing="mask").fit(X, y, clients=clients)
    again = pickle.loads(pickle.dumps(clf))
    np.testing.assert_array_equal(clf.predict_proba(X), again.predict_proba(X))
    equal(clf.partial_fit(X, y, clients=clients), again.partial_fit(X, y, clients=clients))


@every_class
def test_rounds_of_partial_fit_are_those_of_fit(cls, incongruent):
    X, y, clients = incongruent
    params = {**FAST, "missing": "mask", "clients_per_round": 2}
    whole = cls(**params).fit(X, y, clients=clients)
    step = cls(**params)
    for _ in range(3):
        step.partial_fit(X, y, classes=[0, 1, 2], clients=clients)
    equal(whole, step)
    assert step.plan_ == whole.plan_
    assert step.history_["round"].tolist() == [1, 2, 3]


@every_class
def test_clients_may_join_and_stay_away_in_partial_fit(cls):
    X, y = blobs()
    clients = np.array(["x", "y", "z"])[np.arange(120) % 3]
    clf = cls(**FAST, clients_per_round=3)
    for names in (["x", "y"], ["z"], ["x", "z"]):
        rows = np.isin(clients, names)
        clf.partial_fit(X[rows], y[rows], classes=np.unique(y), clients=clients[rows])
    assert [sorted(names) for names in clf.history_["clients"]] == [["x", "y"], ["z"], ["x", "z"]]
    assert clf.clients_.tolist() == ["x", "y", "z"]


@every_class
@pytest.mark.parametrize(
    ("kwargs", "said"),
    [
        ({"clients": np.zeros(7)}, "`clients` has 7 values for 120 samples"),
        ({"clients": np.full(120, np.nan)}, r"`clients` has no client \(nan\) in 120 of 120 rows"),
        ({"clients": ["a", 1] * 60}, "`clients` must hold values of one kind"),
        ({"eval_set": (Modalities(a=np.ones((2, 5))), [0, 1])}, "lacks modality 'b'"),
        ({"eval_set": (blobs()[0], np.full(120, 9))}, "not among the classes"),
    ],
)
def test_bad_input_is_refused_and_nothing_is_half_fitted(cls, kwargs, said):
    X, y = blobs()
    clf = cls(**FAST)
    with pytest.raises(ValueError, match=said):
        clf.fit(X, y, **kwargs)
    assert not hasattr(clf, "classes_")
    with pytest.raises(TypeError, match="`eval_set` must be a tuple"):
        clf.fit(X, y, eval_set=X)


def test_partial_fit_wants_all_classes_at_first_and_no_balance():
    X, y = blobs()
    with pytest.raises(ValueError, match="`classes` must be given"):
        FedAvgClassifier(**FAST).partial_fit(X, y)
    with pytest.raises(ValueError, match="`class_weight='balanced'` needs all rows"):
        FedAvgClassifier(**FAST, class_weight="balanced").partial_fit(X, y, classes=[0, 1, 2])


@every_class
@pytest.mark.parametrize("kind", ["train", "evaluate"])
def test_interrupted_fit_keeps_the_last_whole_round(cls, kind, monkeypatch):
    X, y = blobs()
    clients = np.arange(120) % 2
    shorter = cls(**{**FAST, "n_rounds": 2}).fit(X, y, clients=clients)
    handle, rounds = ClientTrainer.handle, [-1]
    # in the third round's training, or when the second round is over but for its measurement
    last = {"train": 2, "evaluate": 1}[kind]

    def interrupted(self, order, memory=None):
        if order.kind == "train":
            rounds.append(order.config["round"])
        if order.kind == kind and rounds[-1] == last:
            raise KeyboardInterrupt
        return handle(self, order, memory)

    monkeypatch.setattr(ClientTrainer, "handle", interrupted)
    clf = cls(**{**FAST, "n_rounds": 5})
    with pytest.raises(KeyboardInterrupt):
        clf.fit(X, y, clients=clients)
    assert clf.n_rounds_ == len(clf.history_) == len(clf.plan_) == 2
    assert clf.plan_ == shorter.plan_
    equal(clf, shorter)


@every_class
def test_features_as_they_were_measured_are_warned_of(cls):
    X, y = blobs(n=40)
    measured = Modalities(a=1000 * X["a"], b=X["b"])
    clf = cls(**FAST, lr=1e-9)
    with pytest.warns(ScaleWarning, match="feature . of modality 'a'") as caught:
        clf.fit(measured, y)
    assert [warning.filename for warning in caught] == [__file__]  # the line that called fit
    with pytest.warns(ScaleWarning, match="feature . of modality 'a'"):
        clf = clone(clf).partial_fit(measured, y, classes=[0, 1, 2])
    clf.partial_fit(measured, y)  # once is enough


def test_features_of_rows_without_weight_are_not_warned_of():
    X, y = blobs(n=40)
    values = {name: value.copy() for name, value in X.items()}
    values["a"][:5] *= 1e6
    FedAvgClassifier(**FAST).fit(values, y, sample_weight=(np.arange(40) >= 5).astype(float))


# -- what the methods leave behind ----------------------------------------------------------


def test_fedcmi_tells_temperatures_and_personal_branches(incongruent):
    X, y, clients = incongruent
    clf = FedCMIClassifier(**FAST, missing="mask", clients_per_round=4, personal_branch=True).fit(
        X, y, clients=clients
    )
    assert set(clf.temperatures_) == {0, 1}  # the others have nobody to teach
    for table in clf.temperatures_.values():
        assert table["a", "b"].shape == (3,)
        assert ((table["a", "b"] > 0) & (table["a", "b"] <= 1)).all()
    assert set(clf.personal_) == {0, 1, 2, 3}
    own, other = clf.for_client(0), clf.for_client(1)
    assert not np.allclose(own.predict_proba(X[clients == 3]), other.predict_proba(X[clients == 3]))
    key = "infiltration.m_a.weight"
    np.testing.assert_array_equal(state(own)[key], clf.personal_[0][key])
    np.testing.assert_array_equal(state(own)["fusion.bias"], state(clf)["fusion.bias"])
    with pytest.raises(ValueError, match="`client` must be one of"):
        clf.for_client(9)


def test_fedcmi_uses_a_stand_in_for_a_missing_modality_and_others_zeros(incongruent):
    X, y, clients = incongruent
    for cls in (FedCMIClassifier, FedAvgClassifier):
        clf = cls(**FAST, missing="mask").fit(X, y, clients=clients)
        only = clf.predict_proba({"a": X["a"][clients < 2]})
        masked = clf.unimodal_predict_proba({"a": X["a"][clients < 2]})["a"]
        assert np.allclose(only, masked) == (cls is FedAvgClassifier)


def test_cmsfed_tells_prototypes_and_ratios(incongruent):
    X, y, clients = incongruent
    clf = CMSFedClassifier(**FAST, missing="mask").fit(X, y, clients=clients)
    assert {name: g.shape for name, g in clf.prototypes_.items()} == {"a": (3, 6), "b": (3, 6)}
    assert clf.ratio_.columns.tolist() == ["a", "b", "ratio"]
    table = clf.ratio_.loc[[0, 1, 2, 3]]
    assert np.isnan(table.loc[2, "b"])
    assert table.loc[[2, 3], "ratio"].tolist() == [1.0, 1.0]
    np.testing.assert_allclose(table.loc[0, "ratio"], table.loc[0, "a"] / table.loc[0, "b"])
    assert {"weak", "ratio"} <= set(clf.history_)


def test_flower_engine_names_the_extra_where_it_is_not_there(monkeypatch):
    import sys

    X, y = blobs()
    monkeypatch.setitem(sys.modules, "sk_mmbalance.federated.flower", None)
    with pytest.raises(ImportError, match=r"sk_mmbalance\[federated\]"):
        FedAvgClassifier(**FAST, engine="flower").fit(X, y)


@pytest.mark.gpu
@every_class
def test_training_on_a_gpu_gives_nearly_the_same_model(cls, incongruent):
    X, y, clients = incongruent
    params = {**FAST, "missing": "mask", "dtype": "float64"}
    cpu, gpu = (cls(**params, device=d).fit(X, y, clients=clients) for d in ("cpu", "cuda"))
    np.testing.assert_allclose(cpu.predict_proba(X), gpu.predict_proba(X), atol=1e-6)
