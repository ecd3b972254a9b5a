"""Files that earlier versions wrote: they load with right predictions, or are refused with words.

``earlier_versions/`` holds one small file of each kind. Weights of format 1 and all pickles were
written before the package was divided into rooms, those of format 2 between. Twelve rows of two
modalities, networks with one hidden layer of two.
"""

import gzip
import importlib
import pickle
import re
import subprocess
import sys
from pathlib import Path

import joblib
import numpy as np
import pytest

import sk_mmbalance
from sk_mmbalance import Modalities, MultimodalClassifier, SustainedBoostingClassifier
from sk_mmbalance.exceptions import DamagedFileError

FILES = Path(__file__).parent / "earlier_versions"
ESTIMATORS = {"network": MultimodalClassifier, "boosting": SustainedBoostingClassifier}
EXPECTED = np.load(FILES / "expected.npz")


@pytest.fixture(scope="module")
def rows():
    return Modalities.load(FILES / "rows.npz")


def unzipped(name, folder):
    """A committed file as it was."""
    file = folder / name
    file.write_bytes(gzip.decompress((FILES / f"{name}.gz").read_bytes()))
    return file


def estimator(kind):
    return ESTIMATORS[kind](hidden_layer_sizes=(2,), embedding_dim=2)


def test_rows_load(rows):
    rng = np.random.default_rng(0)
    y = np.arange(12) % 2
    assert list(rows) == ["a", "b"]
    for name, shift, width in (("a", 3, 2), ("b", -2, 1)):
        wanted = (rng.normal(size=(12, width)) + shift * y[:, None]).round(1).astype(np.float32)
        assert rows[name].dtype == np.float32
        assert np.array_equal(rows[name], wanted)


@pytest.mark.parametrize("kind", ESTIMATORS)
def test_weights_of_format_2_load_with_their_predictions(kind, rows, tmp_path):
    model = estimator(kind).load_weights(unzipped(f"{kind}-2.safetensors", tmp_path))
    np.testing.assert_allclose(model.predict_proba(rows), EXPECTED[kind], rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("kind", ESTIMATORS)
def test_weights_of_format_1_are_refused_by_name_and_version(kind, tmp_path):
    file = unzipped(f"{kind}-1.safetensors", tmp_path)
    said = (
        f"`file` {str(file)!r} has format 'sk_mmbalance weights 1', of another version of the "
        "package; this one reads 'sk_mmbalance weights 3' and 'sk_mmbalance weights 2'. Load it "
        "with the version that wrote it, or fit anew"
    )
    model = estimator(kind)
    with pytest.raises(DamagedFileError, match=re.escape(said)):
        model.load_weights(file)
    assert not hasattr(model, "classes_")


MODULES = {
    "network": "neural.joint",
    "pool": "ensemble._expert",
    "late": "ensemble._expert",
    "arm": "convex.classifier",
    "federated": "federated.fedavg",
}


@pytest.mark.parametrize("load", [lambda file: pickle.loads(file.read_bytes()), joblib.load])
@pytest.mark.parametrize("kind", MODULES)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.InconsistentVersionWarning")
def test_pickles_of_estimators_are_refused_by_module_and_version(kind, load, tmp_path):
    file = unzipped(f"{kind}.pickle", tmp_path)
    said = (
        f"sk_mmbalance {sk_mmbalance.__version__} has no module 'sk_mmbalance.{MODULES[kind]}'. If "
        "a pickle or a joblib file asked for it, another version of the package wrote that file"
    )
    with pytest.raises(ModuleNotFoundError, match=re.escape(said)):
        load(file)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.InconsistentVersionWarning")
def test_a_pickled_transformer_loads_and_transforms(rows, tmp_path):
    scaler = pickle.loads(unzipped("scaler.pickle", tmp_path).read_bytes())
    np.testing.assert_allclose(scaler.transform(rows)["a"], EXPECTED["scaler"], rtol=1e-6)


def test_only_modules_of_ours_are_spoken_of():
    with pytest.raises(ModuleNotFoundError, match=r"^No module named 'sk_mmbalance_more'$"):
        importlib.import_module("sk_mmbalance_more")
    code = (
        "import importlib, sys, sk_mmbalance\n"
        "before = len(sys.meta_path); importlib.reload(sk_mmbalance)\n"
        "assert len(sys.meta_path) == before\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
