"""The results page is computed from data files, and from all of them."""

import pandas as pd
import pytest
from _columns import write_columns
from result_tables import NOTHING_YET, markdown_page, rst_page

ENTRY = """
[[table]]
title = "Baselines"
file = "baselines.csv.xz"
caption = "Two folds."
where = { metric = "accuracy" }
percent = true
digits = 1
"""


@pytest.fixture
def benchmarks(tmp_path):
    (tmp_path / "results").mkdir()
    return tmp_path


def _measure(benchmarks, *measurements, name="baselines.csv.xz"):
    columns = ["dataset", "method", "fold", "metric", "value"]
    data = pd.DataFrame(measurements, columns=columns)
    write_columns(data, benchmarks / "results" / name)


def test_cell_is_mean_and_sample_standard_deviation(benchmarks):
    (benchmarks / "tables.toml").write_text(ENTRY)
    _measure(
        benchmarks,
        ("wine", "late fusion", 0, "accuracy", 0.90),
        ("wine", "late fusion", 1, "accuracy", 0.94),
        ("wine", "late fusion", 0, "log_loss", 7.0),
    )
    text = rst_page(benchmarks)
    assert "   * - method\n     - wine\n   * - late fusion\n     - 92.0 ± 2.8\n" in text
    assert "2 measurements a cell. Percent." in text


def test_methods_and_datasets_keep_the_order_of_the_file(benchmarks):
    (benchmarks / "tables.toml").write_text(ENTRY)
    _measure(
        benchmarks,
        ("zoo", "best single", 0, "accuracy", 0.5),
        ("zoo", "a late one", 0, "accuracy", 0.6),
        ("ants", "best single", 0, "accuracy", 0.7),
    )
    text = rst_page(benchmarks)
    assert "   * - method\n     - zoo\n     - ants\n   * - best single\n     - 50.0\n" in text
    assert "   * - a late one\n     - 60.0\n     - \\ \n" in text


def test_rows_and_columns_may_be_several_columns_of_the_file(benchmarks):
    entry = ENTRY.replace('where = { metric = "accuracy" }', 'columns = ["dataset", "metric"]')
    (benchmarks / "tables.toml").write_text(entry)
    _measure(benchmarks, ("wine", "a", 0, "accuracy", 0.5), ("wine", "a", 0, "recall", 0.25))
    text = rst_page(benchmarks)
    assert (
        "     - wine / accuracy\n     - wine / recall\n   * - a\n     - 50.0\n     - 25.0" in text
    )


def test_long_words_of_a_row_stand_below_its_name(benchmarks):
    entry = ENTRY.replace("where = {", 'rows = ["method", "minus", "size"]\nwhere = {')
    (benchmarks / "tables.toml").write_text(entry)
    columns = ["dataset", "method", "minus", "size", "fold", "metric", "value"]
    lines = [
        ("wine", "OGM", "the joint network without it", "big", 0, "accuracy", 0.5),
        ("wine", "none", "", "small", 0, "accuracy", 0.25),
    ]
    write_columns(pd.DataFrame(lines, columns=columns), benchmarks / "results" / "baselines.csv.xz")
    assert (
        "   * - method, minus\n     - size\n     - wine\n"
        "   * - | OGM\n       | minus the joint network without it\n     - big\n     - 50.0\n"
    ) in rst_page(benchmarks)
    assert "| OGM | the joint network without it | big | 50.0 |" in markdown_page(benchmarks)


def test_significant_figures_and_several_values_of_a_condition(benchmarks):
    entry = ENTRY.replace('metric = "accuracy"', 'metric = ["gap", "seconds"]')
    entry = entry.replace("percent = true\ndigits = 1", "digits = 2\nsignificant = true")
    (benchmarks / "tables.toml").write_text(entry + 'columns = "metric"\n')
    _measure(
        benchmarks,
        ("wine", "a", 0, "gap", 1.26e-9),
        ("wine", "a", 0, "seconds", 12.0),
        ("wine", "a", 0, "accuracy", 0.5),
    )
    text = rst_page(benchmarks)
    assert "     - gap\n     - seconds\n   * - a\n     - 1.3e-09\n     - 12\n" in text


def test_unequal_numbers_of_measurements_are_shown(benchmarks):
    (benchmarks / "tables.toml").write_text(ENTRY)
    rows = [("wine", "a", seed, "accuracy", 0.5) for seed in range(2)]
    rows += [("wine", "b", seed, "accuracy", 0.5) for seed in range(3)]
    _measure(benchmarks, *rows)
    text = rst_page(benchmarks)
    assert "50.0 ± 0.0 (2)" in text
    assert "50.0 ± 0.0 (3)" in text
    assert "2 to 3 measurements" in text


def test_a_single_measurement_among_several_shows_by_its_lack_of_a_spread(benchmarks):
    (benchmarks / "tables.toml").write_text(ENTRY)
    rows = [("wine", "a", seed, "accuracy", 0.5) for seed in range(2)]
    _measure(benchmarks, *rows, ("wine", "b", 0, "accuracy", 0.5))
    text = rst_page(benchmarks)
    assert "     - 50.0 ± 0.0\n" in text
    assert "     - 50.0\n" in text
    assert "of 2 measurements a cell. Without a spread: one measurement." in text


def test_seeds_are_counted_once_folds_are_averaged(benchmarks):
    (benchmarks / "tables.toml").write_text(ENTRY + 'per = "fold"\n')
    _measure(
        benchmarks,
        ("wine", "a", 0, "accuracy", 0.50),  # two seeds of the first fold
        ("wine", "a", 0, "accuracy", 0.70),
        ("wine", "a", 1, "accuracy", 0.80),
        ("wine", "a", 1, "accuracy", 0.80),
    )
    text = rst_page(benchmarks)
    assert "70.0 ± 14.1\n" in text
    assert "Mean ± standard deviation of 2 folds a cell." in text


def test_difference_to_a_method_is_paired_and_has_a_standard_error(benchmarks):
    (benchmarks / "tables.toml").write_text(ENTRY + 'per = "fold"\nagainst = "a"\n')
    _measure(
        benchmarks,
        ("wine", "a", 0, "accuracy", 0.50),
        ("wine", "a", 1, "accuracy", 0.90),
        ("wine", "b", 0, "accuracy", 0.52),
        ("wine", "b", 1, "accuracy", 0.96),
        ("wine", "b", 2, "accuracy", 0.10),  # has no pair
    )
    text = rst_page(benchmarks)
    assert "   * - method\n     - wine\n   * - b\n     - 4.0 ± 2.0\n" in text
    assert "Difference to 'a', in pairs. Mean ± standard error of 2 folds a cell." in text


def test_result_file_without_a_table_is_an_error(benchmarks):
    _measure(benchmarks, ("wine", "a", 0, "accuracy", 0.5), name="forgotten.csv.xz")
    with pytest.raises(ValueError, match=r"forgotten\.csv\.xz.*stand in no table"):
        rst_page(benchmarks)


def test_table_that_has_not_been_measured_says_so(benchmarks):
    (benchmarks / "tables.toml").write_text(ENTRY)
    assert rst_page(benchmarks) == "Baselines\n---------\n\nTwo folds.\n\nNot measured yet.\n"
    assert markdown_page(benchmarks).endswith("## Baselines\n\nTwo folds.\n\nNot measured yet.\n")


def test_condition_that_no_measurement_meets_is_an_error(benchmarks):
    (benchmarks / "tables.toml").write_text(ENTRY)
    _measure(benchmarks, ("wine", "a", 0, "log_loss", 0.5))
    with pytest.raises(ValueError, match="no measurement where"):
        rst_page(benchmarks)


def test_no_results_is_said_plainly(benchmarks):
    assert rst_page(benchmarks) == NOTHING_YET


def test_markdown_shows_the_same_cells(benchmarks):
    (benchmarks / "tables.toml").write_text(ENTRY)
    _measure(benchmarks, ("wine", "a", 0, "accuracy", 0.5), ("wine", "b", 0, "accuracy", 0.25))
    text = markdown_page(benchmarks)
    assert "| method | wine |\n| --- | --- |\n| a | 50.0 |\n| b | 25.0 |\n" in text
    assert "One measurement a cell. Percent. Data: `results/baselines.csv.xz`." in text


def test_tables_of_details_stand_on_the_page_of_the_documentation_alone(benchmarks):
    (benchmarks / "tables.toml").write_text(ENTRY + "detail = true\n")
    _measure(benchmarks, ("wine", "a", 0, "accuracy", 0.5))
    assert "Baselines" in rst_page(benchmarks)
    assert "Baselines" not in markdown_page(benchmarks)


def test_the_journal_of_a_run_needs_no_table(benchmarks):
    (benchmarks / "tables.toml").write_text(ENTRY)
    _measure(benchmarks, ("wine", "a", 0, "accuracy", 0.5))
    (benchmarks / "results" / "more.journal.csv").write_text("wine,a,0,0,accuracy,0.5\n")
    assert "Baselines" in markdown_page(benchmarks)
