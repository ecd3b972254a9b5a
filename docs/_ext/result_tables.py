"""Write the result tables out of the benchmarks' data files: mean and standard deviation.

A benchmark leaves a tidy CSV in ``benchmarks/results/`` (one row a measurement: ``dataset,
method, seed, fold, metric, value``, further columns as it needs) and registers its table in
``benchmarks/tables.toml``. No figure on the page is typed by hand.

``python docs/_ext/result_tables.py`` prints all tables.
"""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

NOTHING_YET = "No benchmark has left its results yet.\n"


@dataclass(kw_only=True)
class Table:
    """One entry ``[[table]]`` of ``benchmarks/tables.toml``.

    Attributes
    ----------
    title, caption : str
        Heading, and what a reader has to know: protocol, folds, seeds, machine.
    file : str
        CSV in ``benchmarks/results/``.
    rows, columns : str or list of str
        Columns of the CSV that the rows and the columns of the table stand for.
    where : dict
        Only the measurements in which each named column has this value.
    percent : bool
        Show fractions as percent.
    digits : int
        Decimals shown.
    """

    title: str
    file: str
    caption: str = ""
    rows: str | list[str] = "method"
    columns: str | list[str] = "dataset"
    where: dict[str, Any]
    percent: bool = False
    digits: int = 3


def read_tables(benchmarks: Path) -> list[Table]:
    """The registered tables; a result file that no table shows is an error."""
    register = benchmarks / "tables.toml"
    entries = tomllib.loads(register.read_text(encoding="utf-8")) if register.is_file() else {}
    tables = [Table(**{"where": {}, **entry}) for entry in entries.get("table", [])]
    shown = {table.file for table in tables}
    lying = {file.name for file in (benchmarks / "results").glob("*.csv")}
    if lying - shown:
        raise ValueError(
            f"{sorted(lying - shown)} in benchmarks/results/ stand in no table: add an entry to "
            "benchmarks/tables.toml."
        )
    if shown - lying:
        raise ValueError(f"tables.toml names {sorted(shown - lying)}: no such result file.")
    return tables


def measurements(benchmarks: Path, table: Table) -> pd.core.groupby.SeriesGroupBy:
    """Measured values, grouped by the rows and columns of the table, in the file's order."""
    data = pd.read_csv(benchmarks / "results" / table.file)
    for column, value in table.where.items():
        data = data[data[column] == value]
    if data.empty:
        raise ValueError(f"{table.file}: no measurement where {table.where}.")
    return data.groupby([*_listed(table.rows), *_listed(table.columns)], sort=False)["value"]


def _listed(names: str | list[str]) -> list[str]:
    return [names] if isinstance(names, str) else list(names)


def _cell(values: pd.Series, table: Table, show_count: bool) -> str:
    """``mean ± sd``; the number of measurements only where cells differ in it."""
    factor = 100 if table.percent else 1
    text = f"{factor * values.mean():.{table.digits}f}"
    if len(values) > 1:
        text += f" ± {factor * values.std(ddof=1):.{table.digits}f}"
    return f"{text} ({len(values)})" if show_count else text


def to_rst(table: Table, benchmarks: Path) -> str:
    """One section: heading, caption, table, and the file the figures come from."""
    groups = measurements(benchmarks, table)
    n = groups.size()
    n_rows = len(_listed(table.rows))
    cells = {}
    for key, values in groups:
        key = key if isinstance(key, tuple) else (key,)
        cells[key[:n_rows], key[n_rows:]] = _cell(values, table, show_count=n.nunique() > 1)
    row_keys = list(dict.fromkeys(row for row, _ in cells))
    column_keys = list(dict.fromkeys(column for _, column in cells))
    lines = [[*_listed(table.rows), *(" / ".join(map(str, key)) for key in column_keys)]]
    for row in row_keys:
        lines.append([*map(str, row), *(cells.get((row, key), "\\ ") for key in column_keys)])
    body = "\n".join("   * - " + "\n     - ".join(line) for line in lines)
    spread = f"{n.min()} to {n.max()}" if n.nunique() > 1 else f"{n.min()}"
    unit = " Percent." if table.percent else ""
    return (
        f"{table.title}\n{'-' * len(table.title)}\n\n{table.caption}\n\n"
        f".. list-table::\n   :header-rows: 1\n   :class: results\n\n{body}\n\n"
        f"Mean ± standard deviation of {spread} measurements a cell.{unit} "
        f"Data: ``benchmarks/results/{table.file}``.\n"
    )


def page(benchmarks: Path) -> str:
    """All tables."""
    tables = read_tables(benchmarks)
    return "\n".join(to_rst(table, benchmarks) for table in tables) if tables else NOTHING_YET


def write(benchmarks: Path, target: Path) -> None:
    """Write all tables into one file that ``results.rst`` includes."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(page(benchmarks), encoding="utf-8")


if __name__ == "__main__":
    print(page(Path(__file__).parents[2] / "benchmarks"))
