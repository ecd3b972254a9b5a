"""Tables and archives of others, damaged: one error that names the file, and nothing else."""

import numpy as np
import pandas as pd
import pytest

from sk_mmbalance import Modalities
from sk_mmbalance.exceptions import DamagedFileError

TABLE = pd.DataFrame({"row": ["a", "b", "c"], "w": [1.5, np.nan, 3.0], "h": [1, 2, 3]})


def _write(kind, file):
    if kind == "parquet":
        TABLE.to_parquet(file)
    elif kind == "npz":
        np.savez_compressed(file, face=TABLE[["w", "h"]].to_numpy())
    else:
        TABLE.to_csv(file, index=False)


def _read_or_refused(file, index=None):
    """What is read, or None where it is refused as it has to be."""
    refused = None
    try:
        return Modalities.from_files({"face": file}, index=index)
    except ValueError as error:
        refused = error
    # it is damaged, or can be read and lacks the array or the column, or has it twice
    assert type(refused) in (DamagedFileError, ValueError)
    assert str(file) in str(refused)
    return None


PARQUET = pytest.param("parquet", marks=pytest.mark.slow)  # some two thousand bytes


@pytest.mark.parametrize("kind", [PARQUET, "npz", "csv.gz"])
def test_table_cut_at_any_byte_is_refused_by_name(kind, tmp_path):
    file = tmp_path / f"t.{kind}"
    _write(kind, file)
    whole = file.read_bytes()
    assert _read_or_refused(file) is not None
    for cut in range(len(whole)):
        file.write_bytes(whole[:cut])
        # what gzip says last is how much there was: all of it is there without
        assert _read_or_refused(file) is None


def test_csv_cut_at_any_byte_is_read_or_refused_by_name(tmp_path):
    file = tmp_path / "t.csv"
    _write("csv", file)
    whole = file.read_bytes()
    for cut in range(len(whole)):
        file.write_bytes(whole[:cut])
        _read_or_refused(file, "row")


@pytest.mark.parametrize("kind", [PARQUET, "npz", "csv.gz", "csv"])
def test_table_with_any_changed_byte_is_read_or_refused_by_name(kind, tmp_path):
    file = tmp_path / f"t.{kind}"
    _write(kind, file)
    whole = file.read_bytes()
    for place in range(len(whole)):
        changed = bytearray(whole)
        changed[place] ^= 1 << (place % 8)
        file.write_bytes(changed)
        found = _read_or_refused(file, "row" if kind == "csv" else None)
        if kind == "npz" and found is not None:  # the archive has checksums of its own
            np.testing.assert_array_equal(found["face"], TABLE[["w", "h"]].to_numpy())


@pytest.mark.parametrize(("header", "named"), [("a,b,a,b", "a"), ("a,b,b,a", "b")])
def test_the_first_column_that_stands_twice_is_named(tmp_path, header, named):
    file = tmp_path / "twice.csv"
    file.write_text(f"{header}\n1,2,3,4\n")
    with pytest.raises(DamagedFileError, match=f"several columns named '{named}'"):
        Modalities.from_files({"x": file})
