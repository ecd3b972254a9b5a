from dataclasses import replace

import numpy as np
import pytest
import torch

from sk_mmbalance.modalities import check_modalities
from sk_mmbalance.networks import ModalityRows, RowBatches, to_rows

CPU = torch.device("cpu")


def rows(n, resident=True):
    x = torch.arange(float(n))[:, None]
    return ModalityRows({"a": x}, torch.arange(n), resident=resident)


@pytest.mark.parametrize("resident", [True, False])
@pytest.mark.parametrize("n", [1, 5, 8, 9, 10])
def test_every_row_comes_once_an_epoch(n, resident):
    batches = RowBatches(rows(n, resident), 4, CPU, seed=3)
    seen = [codes for _, codes in batches]
    assert len(seen) == len(batches)
    assert sorted(torch.cat(seen).tolist()) == list(range(n))
    for X, codes in batches:
        assert torch.equal(X["inputs"]["a"][:, 0].long(), codes)


def test_resident_and_streamed_batches_are_the_same():
    for (X, codes), (X2, codes2) in zip(
        RowBatches(rows(11), 4, CPU, seed=1),
        RowBatches(rows(11, False), 4, CPU, seed=1),
        strict=True,
    ):
        assert torch.equal(codes, codes2)
        assert torch.equal(X["inputs"]["a"], X2["inputs"]["a"])


def test_rows_that_are_gathered_in_blocks_come_in_the_same_batches():
    x = torch.arange(2600.0)[:, None].repeat(1, 4000)  # more than one block
    wide = ModalityRows({"a": x}, torch.arange(len(x)))
    for visits in (None, torch.arange(len(x)).flip(0)[:2500]):
        batches = [
            RowBatches(whole, 128, CPU, seed=1) for whole in (wide, replace(wide, resident=False))
        ]
        for each in batches:
            each.visit(visits)
        for (X, codes), (X2, codes2) in zip(*batches, strict=True):
            assert torch.equal(codes, codes2)
            assert torch.equal(X["inputs"]["a"], X2["inputs"]["a"])


def test_no_batch_has_a_single_row():
    assert RowBatches(rows(9), 4, CPU).bounds(9) == [(0, 4), (4, 9)]
    assert RowBatches(rows(1), 4, CPU).bounds(1) == [(0, 1)]


def test_order_depends_on_seed_and_epoch_alone():
    first, second = RowBatches(rows(50), 8, CPU, seed=1), RowBatches(rows(50), 8, CPU, seed=1)
    torch.manual_seed(0)
    order = first.order()
    torch.manual_seed(1)
    assert torch.equal(order, second.order())
    second.epoch = 1
    assert not torch.equal(order, second.order())
    assert not torch.equal(order, RowBatches(rows(50), 8, CPU, seed=2).order())


def test_without_seed_rows_keep_their_order():
    codes = torch.cat([codes for _, codes in RowBatches(rows(10), 3, CPU)])
    assert codes.tolist() == list(range(10))


def test_presence_and_weights_travel_with_the_rows():
    A = np.arange(12.0).reshape(6, 2)
    B = A.copy()
    B[2] = np.nan
    checked = check_modalities({"a": A, "b": B}, missing="mask")
    made = to_rows(checked, np.arange(6), np.arange(6.0), dtype=torch.float32, device=CPU)
    assert made.present["b"].tolist() == [True, True, False, True, True, True]
    for X, codes in RowBatches(made, 4, CPU, seed=0):
        assert torch.equal(X["weight"].long(), codes)
        assert torch.equal(X["present"]["b"], codes != 2)


def test_complete_rows_carry_no_mask():
    checked = check_modalities({"a": np.zeros((3, 2))}, missing="mask")
    assert to_rows(checked, None, None, dtype=torch.float64, device=CPU).present is None


def test_memory_map_is_streamed(tmp_path):
    file = tmp_path / "a.npy"
    np.save(file, np.arange(20.0, dtype=np.float32).reshape(10, 2))
    checked = check_modalities({"a": np.load(file, mmap_mode="r")})
    made = to_rows(checked, np.arange(10), None, dtype=torch.float32, device=CPU)
    assert not made.resident
    (X, codes), *_ = RowBatches(made, 4, CPU, seed=0)
    assert torch.equal(X["inputs"]["a"][:, 0].long(), codes * 2)


def test_finite_values_that_overflow_in_the_precision_of_the_network_are_refused():
    checked = check_modalities({"a": np.array([[1.0], [1e39]])})
    with pytest.raises(ValueError, match=r"`X` modality 'a' has values up to 1e\+39, beyond what"):
        to_rows(checked, None, None, dtype=torch.float32, device=CPU)
    made = to_rows(checked, None, None, dtype=torch.float64, device=CPU)
    assert torch.isfinite(made.inputs["a"]).all()
