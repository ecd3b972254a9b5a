"""What is committed beside the measurements is what follows from them."""

import argparse
import os
import shutil

import accuracy
import balancing
import defaults
import pandas as pd
import pytest
import zoo
from _protocols import read, table_file
from result_tables import BENCHMARKS, markdown_page

QUESTIONS = {
    question.table: question
    for script in (accuracy, balancing, defaults, zoo)
    for question in script.QUESTIONS.values()
}
#: Some methods decide by what the network says which rows pass through it again, and other
#: processors round otherwise: a row more or less of 256 and 50 epochs.
NEARLY = {"zoo_passes": 0.002}
DERIVED = {
    name: (question.table, derive)
    for question in QUESTIONS.values()
    for name, derive in question.derived.items()
}


@pytest.mark.parametrize("table", QUESTIONS)
def test_every_measurement_that_a_script_asks_for_is_there(table, tmp_path, monkeypatch):
    """So that a run that goes on measures nothing anew."""
    if "SK_MMBALANCE_DATA" not in os.environ:
        pytest.skip("the folds are those of real data")

    def measured(*job):
        raise AssertionError(f"not there: {job[2]} on {job[0].name}, fold {job[1]}")

    monkeypatch.setattr("_protocols._job", measured)
    monkeypatch.setattr("defaults.measure", measured)
    shutil.copy(table_file(table), tmp_path)
    asked = {"datasets": None, "methods": None, "seeds": None, "jobs": 1, "folder": tmp_path}
    whole = QUESTIONS[table].measured(argparse.Namespace(**asked))
    pd.testing.assert_frame_equal(whole, read(table), rtol=NEARLY.get(table, 1e-5))


@pytest.mark.parametrize("name", DERIVED)
def test_a_derived_table_is_that_of_its_measurements(name):
    table, derive = DERIVED[name]
    pd.testing.assert_frame_equal(read(name), derive(read(table)), rtol=1e-5, atol=1e-7)


def test_written_results_are_those_of_the_data_files():
    written = (BENCHMARKS / "RESULTS.md").read_text(encoding="utf-8")
    assert written == markdown_page(BENCHMARKS), "run: python docs/_ext/result_tables.py"
