"""A wide sparse modality is multiplied as it is, to the result of the dense one."""

import numpy as np
import pytest
import torch
from scipy.sparse import random as random_matrix
from torch import nn

from sk_mmbalance import Modalities, MultimodalClassifier
from sk_mmbalance.balancing import (
    LFM,
    OGM,
    DataRemixing,
    ModalityDropout,
    Relearning,
    SustainedBoosting,
)
from sk_mmbalance.modalities import check_modalities
from sk_mmbalance.networks import make_backbones, to_rows

N, WIDE = 40, 20_000
Y = np.arange(N) % 2
SMALL = {
    "hidden_layer_sizes": (4,),
    "embedding_dim": 3,
    "max_epochs": 3,
    "batch_size": 16,
    "random_state": 0,
}


def text():
    made = random_matrix(N, WIDE, density=0.001, format="lil", random_state=0)
    made[:, 7] = 2.0 * Y[:, None]
    return made.tocsr()


def both(words, **others):
    return Modalities(words=words, **others), Modalities(words=words.toarray(), **others)


def image():
    return Y[:, None] + np.random.default_rng(0).normal(size=(N, 3))


class _Squares(nn.Module):
    """An encoder of the user's, which knows nothing of sparse tensors."""

    def __init__(self, input_shape, embedding_dim):
        super().__init__()
        self.linear = nn.Linear(input_shape[0], embedding_dim)

    def forward(self, x):
        return self.linear(x.mul_(x))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"dtype": "float32"},
        {"dropout": 0.2},
        {"fusion": "late"},
        {"hidden_layer_sizes": ()},
        {"backbones": {"words": _Squares}},
        *({"balancing": value()} for value in (OGM, LFM, ModalityDropout, SustainedBoosting)),
        {"balancing": DataRemixing(start_epoch=1)},
        {"balancing": Relearning()},
    ],
    ids=str,
)
def test_a_fit_is_that_of_the_dense_one(options):
    sparse, dense = both(text(), image=image())
    found = MultimodalClassifier(**{**SMALL, **options}).fit(sparse, Y)
    wanted = MultimodalClassifier(**{**SMALL, **options}).fit(dense, Y)
    atol = 1e-5 if options.get("dtype") == "float32" else 1e-9
    np.testing.assert_allclose(found.predict_proba(sparse), wanted.predict_proba(dense), atol=atol)
    np.testing.assert_allclose(found.predict_proba(dense), wanted.predict_proba(dense), atol=atol)
    loss = found.history_["train_loss"].to_numpy()
    np.testing.assert_allclose(loss, wanted.history_["train_loss"], atol=atol)


@pytest.mark.parametrize("embedding", [(), (4,)])
def test_products_and_gradients_are_those_of_the_dense_batch(embedding):
    sizes = {"embedding_dim": 3, "hidden_layer_sizes": embedding}
    ((module, _),) = make_backbones("mlp", {"words": (WIDE,)}, torch.float64, **sizes).values()
    checked = check_modalities(Modalities(words=text()), accept_sparse=True)
    rows = to_rows(checked, Y, None, dtype=torch.float64, device=torch.device("cpu"))
    x = rows[torch.arange(0, N, 3)][0]["inputs"]["words"]
    assert x.layout is torch.sparse_csr
    module(x).square().sum().backward()
    found = [p.grad.clone() for p in module.parameters()]
    module.zero_grad()
    module(x.to_dense()).square().sum().backward()
    for p, grad in zip(module.parameters(), found, strict=True):
        torch.testing.assert_close(grad, p.grad, rtol=1e-10, atol=1e-12)


def test_rows_without_a_value_pass():
    words = text()
    words.data[words.indptr[0] : words.indptr[20]] = 0
    words.eliminate_zeros()
    sparse, dense = both(words)
    found = MultimodalClassifier(**SMALL).fit(sparse, Y).predict_proba(sparse)
    wanted = MultimodalClassifier(**SMALL).fit(dense, Y).predict_proba(dense)
    np.testing.assert_allclose(found, wanted, atol=1e-9)


@pytest.mark.parametrize("change", ["narrow", "dense"])
def test_what_is_multiplied_sooner_as_dense_is_made_dense(change):
    words = text()[:, :5000] if change == "narrow" else text()
    if change == "dense":
        words = random_matrix(N, WIDE, density=0.02, format="csr", random_state=0)
    checked = check_modalities(Modalities(words=words), accept_sparse=True)
    rows = to_rows(checked, Y, None, dtype=torch.float32, device=torch.device("cpu"))
    assert rows[0:3][0]["inputs"]["words"].layout is torch.strided
