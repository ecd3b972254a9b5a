"""The same seed gives the same bits in threads as well, and nobody else's random state changes."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.base import clone
from torch import nn

from sk_mmbalance import (
    CMSFedClassifier,
    FedAvgClassifier,
    FedCMIClassifier,
    MultimodalClassifier,
    MultimodalRegressor,
    NegativeLearningClassifier,
    SustainedBoostingClassifier,
    balancing,
)
from tests._estimators import CLASSIFIERS, toy, toy_numbers

SMALL = {
    "hidden_layer_sizes": (6,),
    "embedding_dim": 4,
    "max_epochs": 3,
    "batch_size": 16,
    "random_state": 0,
    "dropout": 0.3,
}
FEDERATED = {
    "hidden_layer_sizes": (6,),
    "feature_dim": 4,
    "n_rounds": 2,
    "batch_size": 16,
    "random_state": 0,
    "dropout": 0.3,
}


class Noisy(nn.Module):
    """A backbone of the user's that draws as it likes."""

    def __init__(self, input_shape, embedding_dim):
        super().__init__()
        self.layer = nn.Linear(input_shape[0], embedding_dim)

    def forward(self, x):
        u = F.dropout(self.layer(x), 0.3, self.training)
        return u + 0.1 * torch.randn_like(u) if self.training else u


METHODS = {
    "DataRemixing": balancing.DataRemixing(start_epoch=1),
    "SustainedBoosting": balancing.SustainedBoosting(check_every=1),
}
METHODS |= {
    name: getattr(balancing, name)()
    for name in balancing.__all__
    if name != "Balancing" and name not in METHODS
}

ESTIMATORS = {
    "plain": MultimodalClassifier(**SMALL),
    "late": MultimodalClassifier(**SMALL, fusion="late", fusion_weights="fit", cv=2),
    "transformer": MultimodalClassifier(**SMALL, fusion="transformer"),
    "backbones of the user's": MultimodalClassifier(**SMALL, backbones=Noisy),
    "regressor": MultimodalRegressor(**SMALL),
    "negative learning": NegativeLearningClassifier(**SMALL),
    "boosting": SustainedBoostingClassifier(**SMALL, head_width=4, max_heads=2),
    **{name: MultimodalClassifier(**SMALL, balancing=value) for name, value in METHODS.items()},
    "FedAvg": FedAvgClassifier(**FEDERATED),
    "FedAvg, backbones of the user's": FedAvgClassifier(**FEDERATED, backbones=Noisy),
    "FedCMI": FedCMIClassifier(**FEDERATED),
    "CMSFed": CMSFedClassifier(**FEDERATED),
}

# Small sets remix unequally, which these tests are not about.
pytestmark = pytest.mark.filterwarnings("ignore::sk_mmbalance.exceptions.CollapseWarning")


def data_for(estimator):
    X, y = toy_numbers() if isinstance(estimator, MultimodalRegressor) else toy()
    return {"X": X, "y": y}


def weights(fitted):
    network = fitted.net_.module_
    return {key: value.clone() for key, value in network.state_dict().items()}


def global_states():
    return torch.get_rng_state().tolist(), str(np.random.get_state())  # noqa: NPY002 (its state is what is looked at)


@pytest.mark.parametrize("estimator", ESTIMATORS.values(), ids=ESTIMATORS)
def test_fits_in_threads_equal_fits_one_after_another(estimator):
    data = data_for(estimator)
    if isinstance(estimator, FedAvgClassifier | FedCMIClassifier | CMSFedClassifier):
        data["clients"] = np.arange(len(data["y"])) // 2 % 3

    def fitted(seed):
        return weights(clone(estimator).set_params(random_state=seed).fit(**data))

    seeds = [0, 1, 0, 1]
    before = global_states()
    one_by_one = {seed: fitted(seed) for seed in set(seeds)}
    assert global_states() == before
    with ThreadPoolExecutor(4) as pool:
        beside = list(pool.map(fitted, seeds))
    assert global_states() == before
    for seed, found in zip(seeds, beside, strict=True):
        for key, value in one_by_one[seed].items():
            assert torch.equal(found[key], value), key
    assert any(not torch.equal(value, one_by_one[1][key]) for key, value in one_by_one[0].items())


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_no_estimator_touches_the_global_random_state(name, tmp_path):
    """`random_state` is given where there is one; without one, scikit-learn's rule holds."""
    X, y = toy()
    model = clone(CLASSIFIERS[name])
    quick = {"max_epochs", "n_rounds"} & model.get_params().keys()
    model.set_params(**dict.fromkeys(quick, 2))
    before = global_states()
    model.fit(X, y)
    model.predict(X)
    if hasattr(model, "partial_fit"):
        model.partial_fit(X, y)
    if hasattr(model, "save_weights"):
        model.save_weights(tmp_path / "weights")
        clone(model).load_weights(tmp_path / "weights")
    assert global_states() == before
