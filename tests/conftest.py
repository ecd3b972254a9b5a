"""What all tests share: one thread, no window, the real data sets, the GPU marker."""

import os

# Before numpy or torch is imported anywhere: both read these once. Bits are compared between
# runs, and a sum in another number of threads adds in another order.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"
os.environ["MPLBACKEND"] = "Agg"

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from sklearn.utils import Bunch


@pytest.fixture(autouse=True)
def _one_torch_thread():
    """Hold torch to one thread, without importing it for a test that does not need it."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.get_num_threads() != 1:
        torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _close_figures():
    """Close what a test has drawn; matplotlib warns, as an error, at twenty open figures."""
    yield
    pyplot = sys.modules.get("matplotlib.pyplot")
    if pyplot is not None:
        pyplot.close("all")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test marked ``gpu`` where there is none; torch is imported for such tests only."""
    if item.get_closest_marker("gpu") is None:
        return
    import torch

    if not torch.cuda.is_available():
        pytest.skip("needs a GPU")


@pytest.fixture(scope="session")
def data_home() -> Path:
    """Folder of the real data sets; the test is skipped where there is none."""
    home = os.environ.get("SK_MMBALANCE_DATA")
    if not home:
        pytest.skip("needs real data: set SK_MMBALANCE_DATA to the folder of the .npz files")
    path = Path(home)
    if not path.is_dir():
        pytest.skip(f"needs real data: SK_MMBALANCE_DATA={home} is not a folder")
    return path


@pytest.fixture(scope="session")
def load_real(data_home: Path) -> Callable[[str], Bunch]:
    """``load_real("mfeat")``: a Bunch of ``X`` (Modalities), ``y``, ``groups`` and ``split``.

    The last two are None for a set that has none. Skips where the file is absent.
    """
    from sk_mmbalance import Modalities

    def load(name: str) -> Bunch:
        file = data_home / f"{name}.npz"
        if not file.is_file():
            pytest.skip(f"needs real data: no {file.name} in {data_home}")
        with np.load(file, allow_pickle=False) as arrays:
            return Bunch(
                X=Modalities({str(key): arrays[str(key)] for key in arrays["modalities"]}),
                y=arrays["y"],
                groups=arrays.get("groups"),
                split=arrays.get("split"),
            )

    return load
