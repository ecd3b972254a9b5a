"""The network that predicts: no trainer, the same answers, and it comes back from a pickle."""

import copy
import pickle

import numpy as np
import pytest
import torch
from skorch import NeuralNet

from sk_mmbalance.federated import FedAvgClassifier, FedCMIClassifier

from .conftest import blobs

FAST = {"hidden_layer_sizes": (8,), "feature_dim": 6, "n_rounds": 1, "random_state": 0}


@pytest.fixture(params=[FedAvgClassifier, FedCMIClassifier])
def fitted(request, incongruent):
    X, y, clients = incongruent
    return request.param(**FAST, missing="mask").fit(X, y, clients=clients)


def test_fitted_estimator_holds_no_trainer(fitted):
    assert not any(isinstance(value, NeuralNet) for value in vars(fitted).values())


def test_outputs_and_embeddings_are_those_of_the_module(fitted, incongruent):
    X = incongruent[0]
    present = {m: torch.from_numpy(~np.isnan(X[m]).any(axis=1)) for m in X}
    inputs = {m: torch.from_numpy(X[m]) for m in X}
    with torch.no_grad():
        output = fitted.module_.eval()(inputs, present)
        embedded = fitted.module_.encode(inputs, present)
    proba, own = fitted.predict_proba(X), fitted.unimodal_predict_proba(X)
    np.testing.assert_allclose(proba, torch.softmax(output.logits, dim=1), rtol=1e-12)
    for name in X:
        here = present[name].numpy()
        expected = torch.softmax(output.unimodal[name], dim=1)
        np.testing.assert_allclose(own[name][here], expected[here], rtol=1e-12)
        np.testing.assert_array_equal(fitted.embed(X)[name][here], embedded[name][here])


def test_many_rows_are_answered_in_parts_as_few_are(fitted):
    X, _ = blobs(n=9001)
    whole = fitted.predict_proba(X)
    np.testing.assert_allclose(fitted.predict_proba(X[5000:5005]), whole[5000:5005], atol=1e-12)


def test_answers_leave_the_network_as_it_is_and_need_no_gradient(fitted, incongruent):
    before = copy.deepcopy(fitted.module_.state_dict())
    logits = fitted.net_.evaluate_rows(fitted.server_.task.read(*incongruent[:2])).logits
    assert not logits.requires_grad
    after = fitted.module_.state_dict()
    assert all(torch.equal(before[key], after[key]) for key in before)


@pytest.mark.gpu
def test_what_was_fitted_on_a_gpu_has_its_pickled_weights_on_the_cpu(incongruent):
    X, y, clients = incongruent
    clf = FedAvgClassifier(**FAST, missing="mask", device="cuda").fit(X, y, clients=clients)
    stored = clf.net_.__getstate__()
    assert stored["device"].startswith("cuda")
    assert all(value.device.type == "cpu" for value in stored["module_"].state_dict().values())
    again = pickle.loads(pickle.dumps(clf))
    np.testing.assert_array_equal(clf.predict_proba(X), again.predict_proba(X))


def test_pickle_from_a_gpu_comes_back_on_the_cpu_where_there_is_none(fitted, incongruent):
    if torch.cuda.is_available():
        pytest.skip("a GPU is there")
    network = copy.deepcopy(fitted.net_)
    network.__setstate__({**fitted.net_.__getstate__(), "device": "cuda"})
    assert network.device == torch.device("cpu")
    rows = fitted.server_.task.read(*incongruent[:2])
    expected = fitted.net_.evaluate_rows(rows).logits
    assert torch.equal(network.evaluate_rows(rows).logits, expected)
