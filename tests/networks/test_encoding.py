"""Normal scores of columns."""

import numpy as np
import pytest
import torch
from scipy.stats import norm, rankdata

from sk_mmbalance.modalities import check_modalities
from sk_mmbalance.networks import learn_encodings, to_rows


def learnt(values, weight=None, dtype=torch.float64):
    checked = check_modalities({"a": values}, missing="mask")
    return checked, learn_encodings(["a"], checked, weight, dtype)


def scores(values, new=None, weight=None):
    checked, encodings = learnt(values, weight)
    if new is not None:
        checked = check_modalities({"a": new}, missing="mask")
    options = {"dtype": torch.float64, "device": torch.device("cpu")}
    return to_rows(checked, None, None, encodings=encodings, **options).inputs["a"].numpy()


def test_few_values_are_the_standardised_normal_quantiles_of_their_mid_ranks():
    column = np.array([3.0, 1.0, 1.0, 100.0, 7.0, 1.0])
    expected = norm.ppf((rankdata(column) - 0.5) / 6)
    expected = (expected - expected.mean()) / expected.std()
    np.testing.assert_allclose(scores(column[:, None])[:, 0], expected, rtol=1e-12)


def test_many_values_are_close_to_their_quantiles_whatever_the_shape():
    rng = np.random.default_rng(0)
    normal = rng.normal(size=(2000, 1))
    heavy = np.exp(3 * normal) - 1e4
    found = scores(np.hstack([normal, heavy]))
    np.testing.assert_allclose(found.mean(axis=0), 0, atol=0.01)
    np.testing.assert_allclose(found.std(axis=0), 1, atol=0.01)
    expected = norm.ppf((rankdata(normal) - 0.5) / 2000)
    np.testing.assert_allclose(found[:, 0], expected, atol=0.1)
    assert np.corrcoef(found[:, 0], found[:, 1])[0, 1] > 0.999


def test_order_is_kept_and_values_beyond_those_seen_are_the_outermost():
    rng = np.random.default_rng(0)
    seen = rng.exponential(size=(300, 1))
    new = np.sort(rng.exponential(size=(50, 1)), axis=0)
    assert (np.diff(scores(seen, new)[:, 0]) >= 0).all()
    ends = scores(seen, np.array([[-1e30], [1e30]]))[:, 0]
    assert ends.tolist() == [scores(seen).min(), scores(seen).max()]


def test_a_constant_column_is_zero():
    assert (scores(np.full((20, 2), 5.0), np.array([[5.0, 9.0]])) == 0).all()


def test_weights_count_as_repetitions_and_rows_that_lack_it_do_not_count():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(40, 2))
    weight = rng.integers(1, 4, 40).astype(float)
    repeated = np.repeat(values, weight.astype(int), axis=0)
    new = rng.normal(size=(10, 2))
    np.testing.assert_allclose(scores(values, new, weight), scores(repeated, new), rtol=1e-12)
    holes = np.vstack([values, np.full((5, 2), np.nan)])
    checked = check_modalities({"a": holes, "b": np.ones((45, 1))}, missing="mask")
    encodings = learn_encodings(["a"], checked, None, torch.float64)
    same = learnt(values)[1]
    assert torch.equal(encodings["a"].knots, same["a"].knots)
    assert torch.equal(encodings["a"].scores, same["a"].scores)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_large_offsets_lose_nothing(dtype):
    column = np.linspace(0, 1, 200)[:, None]
    plain = learnt(column, dtype=dtype)[1]["a"]
    moved = learnt(column * 1000 + 1e6, dtype=dtype)[1]["a"]
    a = plain(torch.from_numpy(column).to(dtype))
    b = moved(torch.from_numpy(column * 1000 + 1e6).to(dtype))
    np.testing.assert_allclose(a, b, atol=1e-3 if dtype == torch.float32 else 1e-7)


def test_rows_on_disk_are_encoded_batch_by_batch(tmp_path):
    values = np.random.default_rng(0).normal(size=(50, 3))
    np.save(tmp_path / "a.npy", values)
    checked = check_modalities({"a": np.load(tmp_path / "a.npy", mmap_mode="r")})
    encodings = learn_encodings(["a"], checked, None, torch.float64)
    options = {"dtype": torch.float64, "device": torch.device("cpu"), "encodings": encodings}
    lazy = to_rows(checked, None, None, **options)
    assert not lazy.resident
    assert lazy.n_values == 3
    batch, _ = lazy[torch.tensor([4, 7])]
    np.testing.assert_allclose(batch["inputs"]["a"], scores(values)[[4, 7]], rtol=1e-12)


def test_of_very_many_rows_some_are_learnt_from_and_all_are_encoded():
    column = np.arange(4_300_000, dtype=np.float32)[::-1, None]
    found = scores(column)
    assert found.shape == column.shape
    assert (np.diff(found[:, 0]) <= 0).all()
    assert found.mean() == pytest.approx(0, abs=1e-3)
    assert found.std() == pytest.approx(1, abs=5e-3)
    few = scores(column[:: len(column) // 1000])
    assert found[0, 0] == pytest.approx(few[0, 0], abs=1.5)
