"""Write the result tables out of the benchmarks' data files: mean and standard deviation.

A benchmark leaves a tidy, compressed CSV in ``benchmarks/results/`` (one row a measurement:
``dataset, method, seed, fold, metric, value``, further columns as it needs) and registers its table
in ``benchmarks/tables.toml``. No figure on the page is typed by hand.

``python docs/_ext/result_tables.py`` writes all tables to ``benchmarks/RESULTS.md``; the
documentation's build writes them to its results page.
"""

import sys
import tomllib
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import pandas as pd

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

from _columns import read_columns

NOTHING_YET = "No benchmark has left its results yet.\n"
#: Letters of what may stand in a column of its own beside the name of a row.
_LONGEST_KEY = 16
NOT_MEASURED = "Not measured yet.\n"
MARKDOWN_INTRO = """\
# Results

Computed from the data files in `results/` by `python docs/_ext/result_tables.py`; not edited by
hand. `README.md` says how those files are made. Tables of details (each modality by itself, noise,
calibration, settings) stand on the results page of the documentation, beside these.
"""


@dataclass(kw_only=True)
class Table:
    """One entry ``[[table]]`` of ``benchmarks/tables.toml``.

    Attributes
    ----------
    title, caption : str
        Heading, and what a reader has to know: protocol, folds, seeds, machine.
    file : str
        CSV in ``benchmarks/results/``, compressed or not.
    rows, columns : str or list of str
        Columns of the CSV that the rows and the columns of the table stand for.
    value : str
        Column of the CSV with the measured figure.
    where : dict
        Only the measurements in which each named column has this value, or one of these.
    per : str
        Column, such as "seed" or "fold", whose values are the measurements to be counted: all else
        in a cell is averaged first.
    against : str
        A value of the column "method" whose measurements are subtracted from those of the others,
        in pairs. The spread is then the standard error of the mean difference.
    standard_error : bool
        Show the standard error of the mean, not the standard deviation: for measurements that are
        differences already.
    percent : bool
        Show fractions as percent.
    digits : int
        Decimals shown.
    significant : bool
        Count `digits` from the first figure that is not zero.
    detail : bool
        Shown on the documentation's results page only, not in ``benchmarks/RESULTS.md``.
    """

    title: str
    file: str
    caption: str = ""
    rows: str | list[str] = "method"
    columns: str | list[str] = "dataset"
    value: str = "value"
    where: dict[str, Any] = field(default_factory=dict)
    per: str = ""
    against: str = ""
    standard_error: bool = False
    percent: bool = False
    digits: int = 3
    significant: bool = False
    detail: bool = False

    def number(self, value: float) -> str:
        """A figure as it is shown."""
        kind = "g" if self.significant else "f"
        return f"{(100 if self.percent else 1) * value:.{self.digits}{kind}}"


@dataclass
class Shown:
    """A table as text: heads, lines of cells, and what stands below."""

    heads: list[str]
    lines: list[list[str]]
    note: str


def read_tables(benchmarks: Path) -> list[Table]:
    """The registered tables; a result file that no table shows is an error.

    A table may be registered before its benchmark has been run: it then says so.
    """
    register = benchmarks / "tables.toml"
    entries = tomllib.loads(register.read_text(encoding="utf-8")) if register.is_file() else {}
    tables = [Table(**entry) for entry in entries.get("table", [])]
    shown = {table.file for table in tables}
    files = (benchmarks / "results").glob("*.csv*")
    lying = {file.name for file in files if not file.name.endswith(".journal.csv")}
    if lying - shown:
        raise ValueError(
            f"{sorted(lying - shown)} in benchmarks/results/ stand in no table: add an entry to "
            "benchmarks/tables.toml."
        )
    return tables


def show(table: Table, benchmarks: Path) -> Shown:
    """Mean and standard deviation of the measurements of each cell, in the file's order."""
    file = benchmarks / "results" / table.file
    data = _measurements(file, file.stat().st_mtime_ns)
    for column, value in table.where.items():
        data = data[data[column].isin(value if isinstance(value, list) else [value])]
    if data.empty:
        raise ValueError(f"{table.file}: no measurement where {table.where}.")
    rows, columns = _listed(table.rows), _listed(table.columns)
    if table.per:
        keys = [*rows, *columns, table.per]
        data = data.groupby(keys, sort=False)[table.value].mean().reset_index()
    if table.against:
        data = _differences(data, table)
    groups = data.groupby([*rows, *columns], sort=False)[table.value]
    n = groups.size()
    cells: dict[tuple[tuple, tuple], str] = {
        (key[: len(rows)], key[len(rows) :]): _cell(
            values, table, show_count=n[n > 1].nunique() > 1
        )
        for key, values in groups
    }
    row_keys = list(dict.fromkeys(row for row, _ in cells))
    column_keys = list(dict.fromkeys(column for _, column in cells))
    return Shown(
        heads=[*rows, *(" / ".join(map(str, key)) for key in column_keys)],
        lines=[
            [*map(str, row), *(cells.get((row, column), "") for column in column_keys)]
            for row in row_keys
        ],
        note=_note(table, n),
    )


@lru_cache(maxsize=1)
def _measurements(file: Path, changed: int) -> pd.DataFrame:
    """Read a data file; tables of the same one follow each other and need it once."""
    return read_columns(file)


def _differences(data: pd.DataFrame, table: Table) -> pd.DataFrame:
    """Measurements less those of one method, paired by all other columns."""
    same = [c for c in data.columns if c not in ("method", table.value)]
    other = data[data["method"] == table.against].set_index(same)[table.value]
    rest = data[data["method"] != table.against].set_index(same)
    rest[table.value] -= other.reindex(rest.index)
    return rest.dropna(subset=[table.value]).reset_index()


def _listed(names: str | list[str]) -> list[str]:
    return [names] if isinstance(names, str) else list(names)


def _cell(values: pd.Series, table: Table, show_count: bool) -> str:
    """``mean ± sd``; the number of measurements where cells differ in it and one cannot tell."""
    text = table.number(values.mean())
    if len(values) > 1:
        spread = values.sem(ddof=1) if _shows_error(table) else values.std(ddof=1)
        text += f" ± {table.number(spread)}"
    return f"{text} ({len(values)})" if show_count else text


def _shows_error(table: Table) -> bool:
    return bool(table.against) or table.standard_error


def _note(table: Table, n: pd.Series) -> str:
    several = n[n > 1] if n.max() > 1 else n
    many = f"{several.min()} to {several.max()}" if several.nunique() > 1 else f"{several.min()}"
    spread = "standard error" if _shows_error(table) else "standard deviation"
    things = f"{table.per}s" if table.per else "measurements"
    what = (
        "One measurement a cell." if n.max() == 1 else f"Mean ± {spread} of {many} {things} a cell."
    )
    if n.min() == 1 < n.max():
        what += " Without a spread: one measurement."
    if table.against:
        what = f"Difference to {table.against!r}, in pairs. {what}"
    return f"{what}{' Percent.' if table.percent else ''} Data: `results/{table.file}`."


def to_rst(table: Table, benchmarks: Path) -> str:
    """One section of reStructuredText."""
    head = f"{table.title}\n{'-' * len(table.title)}\n\n{table.caption}\n\n"
    if not (benchmarks / "results" / table.file).is_file():
        return head + NOT_MEASURED
    shown = _words_below(show(table, benchmarks), len(_listed(table.rows)))
    # a long name may be broken behind its underscores
    heads = [head.replace("_", "_\u200b") for head in shown.heads]
    body = "\n".join(
        "   * - " + "\n     - ".join(cell or "\\ " for cell in line)
        for line in [heads, *shown.lines]
    )
    return (
        f"{head}.. list-table::\n   :header-rows: 1\n   :class: results\n\n{body}\n\n"
        f"{shown.note.replace('`', '``')}\n"
    )


def _words_below(shown: Shown, n_keys: int) -> Shown:
    """What a row is about in one cell: long words beside a name would push the figures out."""
    long = [k for k in range(1, n_keys) if any(len(line[k]) > _LONGEST_KEY for line in shown.lines)]
    if not long:
        return shown
    rest = [k for k in range(1, len(shown.heads)) if k not in long]
    head = ", ".join(shown.heads[k] for k in (0, *long))
    lines = []
    for line in shown.lines:
        below = "".join(f"\n       | {shown.heads[k]} {line[k]}" for k in long if line[k])
        lines.append([f"| {line[0]}{below}", *(line[k] for k in rest)])
    return Shown([head, *(shown.heads[k] for k in rest)], lines, shown.note)


def to_markdown(table: Table, benchmarks: Path) -> str:
    """One section of Markdown."""
    head = f"## {table.title}\n\n{table.caption.strip().replace('``', '`')}\n\n"
    if not (benchmarks / "results" / table.file).is_file():
        return head + NOT_MEASURED
    shown = show(table, benchmarks)
    rule = ["---" for _ in shown.heads]
    body = "\n".join(f"| {' | '.join(line)} |" for line in [shown.heads, rule, *shown.lines])
    return f"{head}{body}\n\n{shown.note}\n"


def rst_page(benchmarks: Path) -> str:
    """All tables for the documentation."""
    tables = read_tables(benchmarks)
    return "\n".join(to_rst(table, benchmarks) for table in tables) if tables else NOTHING_YET


def markdown_page(benchmarks: Path) -> str:
    """All tables but those of details for ``benchmarks/RESULTS.md``."""
    tables = [table for table in read_tables(benchmarks) if not table.detail]
    sections = [to_markdown(table, benchmarks) for table in tables]
    return "\n".join([MARKDOWN_INTRO, *(sections or [NOTHING_YET])])


def write(benchmarks: Path, target: Path) -> None:
    """Write all tables into one file, which ``results.rst`` includes.

    The tables of each data file also go into ``tables/<data file>.rst`` beside it, for the chapter
    of the user guide that speaks of them.
    """
    tables = target.parent / "tables"
    tables.mkdir(parents=True, exist_ok=True)
    target.write_text(rst_page(benchmarks), encoding="utf-8")
    sections: dict[str, list[str]] = {}
    for table in read_tables(benchmarks):
        sections.setdefault(table.file.partition(".")[0], []).append(to_rst(table, benchmarks))
    for stem, texts in sections.items():
        (tables / f"{stem}.rst").write_text("\n".join(texts), encoding="utf-8")


if __name__ == "__main__":
    (BENCHMARKS / "RESULTS.md").write_text(markdown_page(BENCHMARKS), encoding="utf-8")
