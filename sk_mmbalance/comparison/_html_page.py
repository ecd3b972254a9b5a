"""The report of a comparison: one HTML page that needs nothing from elsewhere."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from . import _svg
from ._duration import told
from ._standing import DONE, in_words
from ._words import gain_cell, is_loss, score_cell, score_name, score_title, score_value

if TYPE_CHECKING:
    from ._result import Comparison

_COLOURS = {"baseline": "k", "network": "c5", "method": "c0", "pool": "c1", "own": "c2"}

_STYLE = """
:root { color-scheme: light dark; --ink: #1c1e21; --paper: #ffffff; --soft: #5c6470;
  --rule: #d5d9de; --wash: #f3f5f7; --good: #e7f1fb; --warn: #9a4a00;
  --c0: #0072b2; --c1: #d55e00; --c2: #009e73; --c3: #cc79a7; --c4: #b37c00; --c5: #3a9bd6;
  --k: #7a828c; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8eaed; --paper: #15181c; --soft: #a3abb5;
  --rule: #3a4149; --wash: #1f242a; --good: #17324a; --warn: #ffb074;
  --c0: #4aa8e8; --c1: #ff8c42; --c2: #2fc79a; --c3: #e29bc4; --c4: #f0b93a; --c5: #8ccbf2;
  --k: #9aa3ad; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1180px; padding: 1.2rem 1rem 4rem; color: var(--ink);
  background: var(--paper); font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.6rem; line-height: 1.2; margin: 0.3rem 0; }
h2 { font-size: 1.2rem; margin: 2.2rem 0 0.4rem; }
h3 { font-size: 1rem; margin: 0.8rem 0 0.2rem; }
p { max-width: 62rem; } .soft, figcaption { color: var(--soft); font-size: 0.9rem; }
.verdict { background: var(--good); border-left: 4px solid var(--c0); padding: 0.7rem 1rem;
  max-width: none; font-size: 1.05rem; border-radius: 0 6px 6px 0; }
.wide { overflow-x: auto; border: 1px solid var(--rule); border-radius: 6px; }
table { border-collapse: collapse; width: 100%; font-size: 0.9rem; white-space: nowrap;
  font-variant-numeric: tabular-nums; }
th, td { padding: 0.4rem 0.7rem; text-align: right; border-bottom: 1px solid var(--rule); }
tr:last-child td, tr:last-child th { border-bottom: 0; }
thead th { background: var(--wash); }
tbody th, thead th:first-child { text-align: left; position: sticky; left: 0;
  background: var(--paper); font-weight: 600; }
thead th:first-child { background: var(--wash); }
tr.best th, tr.best td { background: var(--good); }
tr.unfinished td, tr.unfinished th { color: var(--soft); }
.status { display: block; color: var(--soft); font-size: 0.85em; font-weight: 400;
  white-space: normal; overflow-wrap: anywhere; width: 13rem; max-width: 40vw; }
.status b { color: var(--warn); font-weight: 600; }
@media (max-width: 600px) { th, td { padding: 0.4rem 0.5rem; }
  tbody th, thead th:first-child { white-space: normal; max-width: 42vw; } }
.sections { display: grid; gap: 0 2rem;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 440px), 1fr)); }
.sections > section:has(figure + figure) { grid-column: 1 / -1; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 330px), 1fr));
  gap: 1rem 2rem; }
figure { margin: 0; max-width: 560px; } svg { width: 100%; height: auto; display: block; }
svg text { fill: var(--ink); font: 12px system-ui, sans-serif; }
.grid { stroke: var(--rule); stroke-width: 0.8; } .axis { stroke: var(--ink); }
.mark { stroke: var(--k); stroke-dasharray: 5 4; } .whisker { stroke: var(--ink); stroke-width: 2; }
.faint { opacity: 0.5; } .dashed { stroke-dasharray: 5 3; }
polyline { fill: none; stroke-width: 2; } .hollow { fill: var(--paper); stroke-width: 1.6; }
.k { fill: var(--k); } .c0 { fill: var(--c0); } .c1 { fill: var(--c1); } .c2 { fill: var(--c2); }
.c3 { fill: var(--c3); } .c4 { fill: var(--c4); } .c5 { fill: var(--c5); }
.sk { stroke: var(--k); }
.s0 { stroke: var(--c0); } .s1 { stroke: var(--c1); } .s2 { stroke: var(--c2); }
.s3 { stroke: var(--c3); } .s4 { stroke: var(--c4); } .s5 { stroke: var(--c5); }
"""


_ON_CALIBRATION = (
    "How often a model is right (up) when it is so sure (across). Computed from its predictions on "
    "the test rows of all its folds, which it was not fitted on, sorted into ten bins by the "
    "probability of the predicted class; bins of fewer than five rows are left out. On the dashed "
    "line its probabilities are true. Where the curve is below, the model is too sure of itself: "
    "fit it inside scikit-learn's CalibratedClassifierCV (with folds that keep groups whole), or "
    "let log-loss decide (--scoring neg_log_loss). Where it is above, the model is right more "
    "often than it says."
)


def page_of(found: Comparison, title: str) -> str:
    """The whole page."""
    body = [
        f"<h1>{escape(title)}</h1>",
        f'<p class="soft">{escape(_data_line(found))}</p>',
        *(f'<p class="soft">Note: {escape(note)}.</p>' for note in found.setting.get("notes", [])),
        f'<p class="verdict">{escape(found.verdict)}</p>',
        "<h2>Scores</h2>",
        _table(found),
        *(f'<p class="soft">{escape(text)}</p>' for text in _reading(found)),
        '<div class="sections">',
        _section("Fold by fold", _dots(found), "Small points are folds, diamonds their mean; the "
                 f"dashed line is the best baseline. {_kinds(found)}{_hollow(found)}"),
        _section("What it costs", _costs(found), "Seconds to choose a setting and fit, per fold."),
        _section("What each modality is worth", _worth(found), "Shapley values with bootstrap "
                 "intervals: the part of the score that a modality brings, on test rows of the "
                 "first fold. A bar whose whisker crosses 0 may be noise."),
        _section("How fast each modality learns", _history(found), "A modality whose curve stays "
                 "low while another is high already is starved by it."),
        _section("When modalities are missing", _missing(found), _removal(found)),
        _section("Can its probabilities be trusted?", _calibration(found), _ON_CALIBRATION),
        "</div>",
        f'<p class="soft">{escape(_last_line(found))}</p>',
    ]  # fmt: skip
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>"
        f"{''.join(body)}</body></html>\n"
    )


def _section(title: str, figures: str, text: str) -> str:
    if not figures:
        return ""
    return (
        f'<section><h2>{escape(title)}</h2><p class="soft">{escape(text)}</p>'
        f'<div class="figures">{figures}</div></section>'
    )


def _figure(svg: str, caption: str) -> str:
    return f"<figure><h3>{escape(caption)}</h3>{svg}</figure>"


# -- words ---------------------------------------------------------------------------------


def _data_line(found: Comparison) -> str:
    s = found.setting
    parts = []
    for name, line in s["modalities"].items():
        lacking = f", {line['missing_rows']:.0%} missing" if line["missing_rows"] else ""
        shape = "×".join(map(str, line["shape"])) or "1"
        parts.append(f"{name} ({shape}{lacking})")
    groups = f" in {s['groups']} groups, which stay whole" if s["groups"] else ""
    return f"{s['n_rows']} rows{groups}; {s['n_folds']} folds; modalities: {', '.join(parts)}."


def _reading(found: Comparison) -> list[str]:
    scoring, table = found.setting["scoring"], found.table
    said = "Mean ± standard deviation over folds."
    losses = [score_name(score) for score in scoring if is_loss(score)]
    if losses:
        said += f" Of {' and '.join(losses)} lower is better, of all others higher."
    if found.baseline is not None:
        said += (
            f" Better by: the gain in {score_name(scoring[0])} over the best baseline "
            f"({found.baseline}), paired fold by fold, above 0 where the model is better; its "
            "95 % interval allows for folds that share training rows (Nadeau and Bengio 2003)."
        )
    if table["status"].eq(DONE).all():
        return [said]
    return [
        said,
        "Models in grey have not finished all folds. Their figures are of the folds that they "
        "have, the gain is over the best baseline on these same folds, and neither has a say in "
        "the verdict.",
    ]


def _label(found: Comparison, name: str) -> str:
    """The name; of a model with some of its folds, how many."""
    line = found.table.loc[name]
    return name if line["status"] == DONE else f"{name} {line['folds'].replace(' of ', '/')}"


def _partial(found: Comparison) -> list[str]:
    table = found.table
    return [_label(found, str(name)) for name in table.index[table["status"].ne(DONE)]]


def _hollow(found: Comparison) -> str:
    table = found.table
    some = table["status"].ne(DONE) & table[found.setting["scoring"][0]].notna()
    if not some.any():
        return ""
    folds = table.loc[some, "folds"].iloc[0]
    return (
        f" Hollow: not finished; {folds.replace(' of ', '/')} behind a name is {folds} folds, and "
        "their mean may be of easy or hard ones."
    )


def _kinds(found: Comparison) -> str:
    colours = {"baseline": "grey", "network": "light blue", "method": "blue", "pool": "orange",
               "own": "green"}  # fmt: skip
    there = [f"{kind} {colours[kind]}" for kind in colours if (found.table["kind"] == kind).any()]
    return f"Colours: {', '.join(there)}."


def _removal(found: Comparison) -> str:
    words = {
        "native": "left out, as the models provide for",
        "permute": "replaced by those of other rows",
    }
    used = {d["removal"] for d in found.details.values() if "removal" in d}
    how = " or ".join(words.get(one, one) for one in sorted(used)) or "left out"
    return f"Score as a growing share of modalities is {how}, at random, one always kept."


def _last_line(found: Comparison) -> str:
    s = found.setting
    limit = "no time limit" if s["time_limit"] is None else f"time limit {told(s['time_limit'])}"
    return (
        f"sk_mmbalance {s['release']}, seed {s['random_state']}, {told(s['seconds'])}, {limit}. "
        "Preparation is fitted on training rows only; settings are chosen on inner folds."
    )


# -- table ---------------------------------------------------------------------------------


def _table(found: Comparison) -> str:
    scoring = found.setting["scoring"]
    # on a narrow screen the first two columns beside the names are seen without scrolling
    first, *rest = map(score_title, scoring)
    titles = ["model", first, "better by [95 %]", *rest, "seconds"]
    head = "".join(f"<th>{escape(title)}</th>" for title in titles)
    return (
        f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>'
        f"{''.join(_row(found, str(name), line) for name, line in found.table.iterrows())}"
        "</tbody></table></div>"
    )


def _row(found: Comparison, name: str, line: Any) -> str:
    kind = "best" if name == found.best else "" if line["status"] == DONE else "unfinished"
    cells = [
        score_cell(score, line[score], line[f"{score}_std"]) for score in found.setting["scoring"]
    ]
    cells.insert(1, gain_cell(line["difference"], line["low"], line["high"]))
    cells.append("" if np.isnan(line["fit_seconds"]) else f"{line['fit_seconds']:.1f}")
    shown = "".join(f"<td>{escape(cell.replace('-', '−'))}</td>" for cell in cells)
    return f'<tr class="{kind}"><th scope="row">{escape(name)}{_status(line)}</th>{shown}</tr>'


def _status(line: Any) -> str:
    """Beneath the name, which is seen on a narrow screen too; nothing where all is well."""
    if line["status"] == DONE:
        return ""
    error = f"<br>{escape(line['error'][:200])}" if line["error"] else ""
    words = escape(in_words(line["status"], line["folds"]))
    return f'<span class="status"><b>{words}</b>{error}</span>'


# -- figures -------------------------------------------------------------------------------


def _shown(found: Comparison, key: str) -> list[str]:
    """Models worth a picture: the best, the best baseline, and the best of every kind."""
    table = found.table
    names = [found.best, found.baseline, str(table.index[0])]
    for kind in ("network", "method", "pool", "own"):
        names += [str(name) for name in table.index[table["kind"] == kind][:1]]
    kept = dict.fromkeys(name for name in names if name and found.details[name].get(key))
    return list(kept)[:5]


def _dots(found: Comparison) -> str:
    main, table = found.setting["scoring"][0], found.table
    rows = []
    for name, line in table[table[main].notna()].iterrows():
        values = found.scores.loc[found.scores["model"] == name, main].to_numpy()
        shown = (_label(found, str(name)), _COLOURS[line["kind"]])
        mean = float(score_value(main, line[main]))
        rows.append((*shown, score_value(main, values).tolist(), mean))
    if not rows:
        return ""
    mark = None
    if found.baseline is not None:
        mark = float(score_value(main, table.loc[found.baseline, main]))
    title = score_title(main)
    return _figure(_svg.dots(rows, title, mark, _partial(found)), title)


def _worth(found: Comparison) -> str:
    label = "part of the score" if found.setting["kind"] == "numbers" else "part of the accuracy"
    parts = []
    for name in _shown(found, "worth")[:4]:
        table = found.details[name]["worth"]["table"]
        rows = [
            (modality, line["contribution"], line["low"], line["high"])
            for modality, line in sorted(table.items(), key=lambda kv: -kv[1]["contribution"])
        ]
        parts.append(_figure(_svg.bars(rows, label), _label(found, name)))
    return "".join(parts)


def _history(found: Comparison) -> str:
    parts = []
    for name in _shown(found, "history")[:4]:
        history = found.details[name]["history"]
        metric = next(
            (
                m
                for m in ("valid_accuracy", "train_accuracy", "train_loss")
                if any(c.endswith(f"__{m}") for c in history)
            ),
            None,
        )
        if metric is None:
            continue
        curves = {
            column.partition("__")[0]: list(enumerate(values, 1))
            for column, values in history.items()
            if column.endswith(f"__{metric}") and np.isfinite(values).any()
        }
        if metric in history and np.isfinite(history[metric]).any():
            curves["all together"] = list(enumerate(history[metric], 1))
        if curves:
            svg = _svg.lines(curves, ("epoch", metric.replace("_", " ")), dashed="all together")
            parts.append(_figure(svg, f"{_label(found, name)}: {metric.replace('_', ' ')}"))
    return "".join(parts)


def _missing(found: Comparison) -> str:
    curves = {
        _label(found, name): [(rate, score) for rate, score in found.details[name]["missing"]]
        for name in _shown(found, "missing")
    }
    if not curves:
        return ""
    what = "R²" if found.setting["kind"] == "numbers" else "accuracy"
    return _figure(_svg.lines(curves, ("share missing", what)), "on the first fold")


def _calibration(found: Comparison) -> str:
    curves = {}
    for name in _shown(found, "calibration"):
        bins = [b for b in found.details[name]["calibration"] if b[0] >= 5]
        if len(bins) > 1:
            curves[_label(found, name)] = [(sure / n, right / n) for n, sure, right in bins]
    if not curves:
        return ""
    svg = _svg.lines(curves, ("how sure", "how often right"), diagonal=True)
    return _figure(svg, "over all folds")


def _costs(found: Comparison) -> str:
    seconds = found.table["fit_seconds"].dropna()
    rows = [(_label(found, str(n)), float(s), np.nan, np.nan) for n, s in seconds.items()]
    return _figure(_svg.bars(rows, "seconds", _partial(found)), "per fold") if rows else ""
