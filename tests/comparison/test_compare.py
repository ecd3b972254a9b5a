"""`compare`: who takes part, what is fair about it, what the table and the verdict say."""

import json
import signal
import subprocess
import sys
import time
from contextlib import suppress

import joblib
import numpy as np
import pandas as pd
import pytest
from scipy import sparse, stats
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV, GroupKFold, ShuffleSplit
from sklearn.pipeline import make_pipeline

from sk_mmbalance import (
    LateFusionClassifier,
    Modalities,
    ModalityConcatenator,
    balancing,
    compare,
    make_preprocessor,
)
from sk_mmbalance.__main__ import main
from sk_mmbalance.comparison import ComparisonDisplay, read_duration
from tests.comparison._models import Endless, GroupsSeen, Share, Unheard

BASELINES = {"best single modality", "late fusion", "concatenation", "boosted trees", "stacking"}


def rows(n=120, seed=0):
    """A strong and a weak modality; the weak one is missing now and then, and has words."""
    rng = np.random.default_rng(seed)
    y = np.array(["no", "yes"])[np.arange(n) % 2]
    strong = rng.normal(size=(n, 3)) + 1.2 * (y == "yes")[:, None]
    weak = pd.DataFrame(
        {
            "a": rng.normal(size=n) + 0.8 * (y == "yes"),
            "ward": np.array(list("ABC"))[np.arange(n) % 3],
        }
    )
    weak.iloc[::9] = None
    return Modalities(strong=strong, weak=weak), y, np.arange(n) // 6


def _compared(results, **more):
    X, y, groups = rows()
    models = {
        "guess": Share(),
        "groups": GroupsSeen(),
        "broken": Share(error="not\ntoday"),
        "dead": Share(dies=True),
        "fused": LateFusionClassifier(weights="cv", cv=3, missing="mask"),
    }
    return compare(X, y, models=models, groups=groups, cv=3, verbose=0, results=results, **more)


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return tmp_path_factory.mktemp("compare") / "results.jsonl"


@pytest.fixture(scope="module")
def found(file):
    return _compared(file)


def _only(found, file, path, n_folds, seconds=None):
    """A file of results that has so many folds of some models (and all of all others)."""
    names = dict(zip(found.scores["fit_seconds"], found.scores["model"], strict=True))
    marks, kept = {}, []
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    for line in lines[1:]:
        if "scores" in line["found"]:
            marks[line["model"]] = names[line["found"]["fit_seconds"]]
    for line in lines[1:]:
        name = marks[line["model"]]
        if line["fold"] < n_folds.get(name, 3):
            if "scores" in line["found"] and seconds and name in seconds:
                line["found"]["fit_seconds"] = seconds[name]
            kept.append(line)
    path.write_text("".join(json.dumps(line) + "\n" for line in [lines[0], *kept]))
    return path


@pytest.fixture(scope="module")
def partial(found, file, tmp_path_factory):
    """Time was up with two folds of two models, and none of others."""
    path = tmp_path_factory.mktemp("compare") / "partial.jsonl"
    lacking = {"guess": 2, "stacking": 2, "boosted trees": 0}
    return _compared(_only(found, file, path, lacking), time_limit=1e-3)


def test_baselines_take_part_and_models_keep_their_names(found):
    assert set(found.table.index) == BASELINES | {"guess", "groups", "broken", "dead", "fused"}
    assert found.table.loc["guess", "kind"] == "own"
    assert found.baseline in BASELINES


def test_failures_are_shown_and_the_rest_goes_on(found):
    assert found.table.loc["broken", ["status", "error"]].tolist() == [
        "failed",
        "RuntimeError: not today",
    ]
    assert "its process died" in found.table.loc["dead", "error"]
    assert found.table.drop(["broken", "dead"])["status"].eq("done").all()
    assert "Not in the running (failed): " in found.verdict
    assert found.table.index[-1] in ("broken", "dead")


def test_groups_stay_whole_outside_and_inside_and_reach_who_asks(found):
    assert found.table.loc["groups", "status"] == "done", found.table.loc["groups", "error"]
    assert found.setting["groups"] == 20


def test_scores_are_those_of_the_models(found):
    guess = found.scores[found.scores["model"] == "guess"]
    np.testing.assert_allclose(guess["accuracy"], 0.5, atol=0.05)
    np.testing.assert_allclose(guess["neg_log_loss"], -log_loss([0, 1], [[0.5, 0.5]] * 2), rtol=0.1)
    assert (found.table.loc[list(BASELINES), "accuracy"] > 0.7).all()
    assert found.scores["n_test"].sum() / 8 == 120


def test_differences_are_paired_and_their_interval_allows_for_shared_rows(found):
    by_fold = found.scores.pivot(index="fold", columns="model", values="accuracy")
    differences = (by_fold["guess"] - by_fold[found.baseline]).to_numpy()
    line = found.table.loc["guess"]
    assert line["difference"] == pytest.approx(differences.mean())
    sizes = found.scores[found.scores["model"] == "guess"]
    share = (sizes["n_test"] / sizes["n_train"]).mean()
    error = np.sqrt((1 / 3 + share) * differences.var(ddof=1))
    assert line["std_error"] == pytest.approx(error)
    low, high = stats.t.interval(0.95, 2, differences.mean(), error)
    assert line[["low", "high"]].tolist() == pytest.approx([low, high])
    assert np.isnan(found.table.loc[found.baseline, "difference"])


def test_verdict_takes_no_method_within_one_standard_error(found):
    best = found.table.iloc[0]
    if best.name in BASELINES or best["difference"] <= best["std_error"]:
        assert found.best == found.baseline
        assert "by more than one standard error" in found.verdict
    else:
        assert found.best == best.name


def test_details_show_modalities_missing_ones_and_calibration(found):
    worth = found.details["late fusion"]["worth"]
    values = {name: line["contribution"] for name, line in worth["table"].items()}
    assert set(values) == {"strong", "weak"}
    assert sum(values.values()) == pytest.approx(worth["score_all"] - worth["score_none"])
    assert found.details["late fusion"]["missing"][0][0] == 0.0
    assert sum(b[0] for b in found.details["late fusion"]["calibration"]) == 120
    assert found.details["broken"] == {}


def test_best_estimator_is_fitted_on_all_rows_and_saveable(found, tmp_path):
    X, y, _ = rows()
    model = found.best_estimator("late fusion")
    joblib.dump(model, tmp_path / "model.joblib")
    again = joblib.load(tmp_path / "model.joblib")
    np.testing.assert_array_equal(again.predict(X), model.predict(X))
    assert (model.predict(X) == y).mean() > 0.75
    assert set(model.predict(dict(X.head().items()))) <= {"no", "yes"}
    with pytest.raises(ValueError, match="`name` must be one of"):
        found.best_estimator("nobody")


def test_result_prints_plots_and_becomes_json(found):
    assert found.verdict in repr(found)
    assert "late fusion" in repr(found)
    assert "<table" in found._repr_html_()
    display = found.plot()
    assert isinstance(display, ComparisonDisplay)
    assert display.means_["late fusion"] == found.table.loc["late fusion", "accuracy"]
    content = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert content["baseline"] == found.baseline
    assert len(content["scores"]) == 8 * 3


def test_report_is_one_file_that_needs_nothing(found, tmp_path):
    found.to_html(tmp_path / "report.html", "Mine & <yours>")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "Mine &amp; &lt;yours&gt;" in page
    for heading in ("Scores", "What each modality is worth", "missing", "probabilities", "costs"):
        assert heading in page
    assert "prefers-color-scheme: dark" in page
    assert 'name="viewport"' in page
    assert not any(word in page for word in ("<script", "http:", "https:", "src=", "nan"))


# -- time ------------------------------------------------------------------------------------------


def test_baselines_take_turns_so_that_they_have_the_same_folds_whenever_time_is_up(found, file):
    names = dict(zip(found.scores["fit_seconds"], found.scores["model"], strict=True))
    found_in_order = [json.loads(line) for line in file.read_text().splitlines()[1:]]
    done = [
        (names[line["found"]["fit_seconds"]], line["fold"])
        for line in found_in_order
        if "scores" in line["found"]
    ]
    for fold in range(3):
        some = done[5 * fold : 5 * fold + 5]
        assert {name for name, _ in some} == BASELINES
        assert {number for _, number in some} == {fold}
        assert some[0][0] == "concatenation"  # the cheapest first
        assert some[4][0] == "stacking"
    assert done[15:] == [(n, f) for n in ("guess", "groups", "fused") for f in range(3)]


def test_ended_failed_and_never_begun_are_told_apart(found, partial, tmp_path):
    status = {
        "stacking": "ended after 2 of 3 folds",
        "guess": "ended after 2 of 3 folds",
        "boosted trees": "no time left",
        "late fusion": "done",
    }
    said = partial._repr_html_()
    for name, words in status.items():
        assert partial.table.loc[name, "status"] == words.partition(" after")[0]
        assert words in said
    assert found.table.loc["broken", "status"] == "failed"
    assert "failed after 0 of 3 folds" in repr(found)
    assert "no time left): broken" not in partial.verdict
    assert (
        "Not in the running (ended before the last fold, for lack of time): stacking (2 of 3 "
        "folds), guess (2 of 3 folds)." in partial.verdict
    )
    assert "(not begun, for lack of time): boosted trees, broken, dead" in partial.verdict
    partial.to_html(tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    assert '>stacking<span class="status"><b>ended after 2 of 3 folds</b></span></th>' in page
    assert '>boosted trees<span class="status"><b>no time left</b></span></th><td></td>' in page
    assert page.count('class="hollow') == 4  # two means, two costs
    assert "stacking 2/3</text>" in page
    lines = json.loads(json.dumps(partial.to_dict()))["table"]
    stacking = next(line for line in lines if line["model"] == "stacking")
    assert (stacking["status"], stacking["folds"]) == ("ended", "2 of 3")
    labels = [text.get_text() for text in partial.plot().ax_.get_yticklabels()]
    assert "stacking\nended after 2 of 3 folds" in labels
    assert "late fusion" in labels


def test_partial_means_are_paired_on_the_same_folds_and_have_no_say(partial):
    by_fold = partial.scores.pivot(index="fold", columns="model", values="accuracy")
    pairs = (by_fold["stacking"] - by_fold[partial.baseline]).iloc[:2]
    line = partial.table.loc["stacking"]
    assert line["accuracy"] == pytest.approx(by_fold["stacking"].iloc[:2].mean())
    assert line["difference"] == pytest.approx(pairs.mean())
    done = partial.table["status"].eq("done").tolist()
    assert done == sorted(done, reverse=True)  # below all that finished
    assert partial.table.loc[partial.best, "status"] == "done"
    assert partial.table.loc[partial.baseline, "status"] == "done"


def test_one_that_finished_alone_is_no_winner(found, file, tmp_path):
    lacking = dict.fromkeys(found.scores["model"].unique(), 2)
    path = _only(found, file, tmp_path / "results.jsonl", {**lacking, "late fusion": 3})
    alone = _compared(path, time_limit=1e-3)
    assert alone.best is None
    assert "Only late fusion finished all folds" in alone.verdict
    assert "nothing is decided" in alone.verdict
    with pytest.raises(ValueError, match="fewer than two models finished"):
        alone.best_estimator()
    path = _only(found, file, tmp_path / "two.jsonl", {**lacking, "late fusion": 3, "fused": 3})
    two = _compared(path, time_limit=1e-3)
    assert "Only 2 of 10 models finished: this is among them alone." in two.verdict
    assert "Only 1 of 5 baselines finished: the best one may be another." in two.verdict


def test_a_slow_baseline_is_put_off_and_the_others_have_all_folds(found, file, tmp_path):
    lacking = {"concatenation": 1, "late fusion": 1}
    slow = {"concatenation": 1000.0}  # seconds of its first fold
    path = _only(found, file, tmp_path / "results.jsonl", lacking, slow)
    quick = _compared(path, time_limit="5m")
    assert quick.table.loc["concatenation", "status"] == "ended"
    assert quick.table.loc["concatenation", "folds"] == "1 of 3"
    assert quick.table.loc[list(BASELINES - {"concatenation"}), "status"].eq("done").all()
    assert quick.setting["seconds"] < 200  # nor was it begun again, which would be in vain


def test_losses_are_shown_without_their_minus(found, tmp_path):
    loss = -found.table.loc["late fusion", "neg_log_loss"]
    assert loss > 0
    for said in (repr(found), found._repr_html_()):
        assert "log-loss, lower is better" in said
        assert f"{loss:.3f} ±" in said
        assert "neg" not in said
    found.to_html(tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    assert f"<td>{loss:.3f} ±" in page
    assert "neg_" not in page.replace("--scoring neg_log_loss", "")  # as the command has it


@pytest.mark.slow
def test_a_loss_that_decides_is_least_where_it_is_best():
    X, y, _ = rows()
    by_loss = compare(X, y, models="baselines", cv=2, scoring="neg_log_loss", verbose=0)
    best = -by_loss.table.loc[by_loss.best, "neg_log_loss"]
    assert f"log-loss {best:.3f}" in by_loss.verdict
    assert by_loss.table["neg_log_loss"].idxmax() == by_loss.best
    axes = by_loss.plot().ax_
    assert axes.get_xlabel().startswith("log-loss, lower is better")
    assert min(line.get_xdata()[0] for line in axes.lines if len(line.get_xdata())) > 0


def _other(found, file, path, change):
    """A file of results in which `change(name, fold, found)` has been at everything found."""
    names = dict(zip(found.scores["fit_seconds"], found.scores["model"], strict=True))
    first, *lines = [json.loads(line) for line in file.read_text().splitlines()]
    marks = {
        line["model"]: names[line["found"]["fit_seconds"]]
        for line in lines
        if "scores" in line["found"]
    }
    for line in lines:
        change(marks[line["model"]], line["fold"], line["found"])
    path.write_text("".join(json.dumps(line) + "\n" for line in [first, *lines]))
    return path


@pytest.mark.parametrize(("spread", "said"), [(0.001, "."), (0.05, "but the interval includes 0.")])
def test_verdict_tells_by_how_much_a_model_beats_the_best_baseline(
    found, file, tmp_path, spread, said
):
    best = found.scores.query("model == @found.baseline").set_index("fold")["accuracy"]

    def better(name, fold, found):
        if name == "fused" and "scores" in found:
            found["scores"]["accuracy"] = best[fold] + 0.1 + spread * (fold - 1)
            found["fit_seconds"] = 150.0 + fold

    path = _other(found, file, tmp_path / "results.jsonl", better)
    other = _compared(path, time_limit=1e-3)
    assert other.best == "fused"
    sentence = f"fused beats the best baseline, {found.baseline}, by 0.100 in accuracy ("
    assert other.verdict.startswith(sentence)
    low, high = other.table.loc["fused", ["low", "high"]]
    assert f"95 % interval {low:+.3f} to {high:+.3f}){said if low > 0 else ':'}" in other.verdict
    assert (low > 0) == (said == ".")
    assert said in other.verdict
    assert "It is the best of 3 models on these folds" in other.verdict
    other.to_html(tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    assert '<tr class="best"><th scope="row">fused' in page
    assert ">151.0</td>" in page  # seconds of a fit


def test_histories_are_drawn_by_the_best_figure_that_they_have(found, file, tmp_path):
    modalities = [f"a modality of a long name, number {k}" for k in range(8)]
    accuracies = {f"{name}__valid_accuracy": [0.5, 0.6] for name in modalities}
    known = {
        "fused": {**accuracies, "valid_accuracy": [0.5, 0.7]},
        found.baseline: {"strong__train_loss": [2.0, 1.0], "train_loss": [None, None]},
        "guess": {"loss": [1.0]},
    }

    def with_history(name, fold, found):
        if "scores" not in found:
            found["history"] = known.get(name)

    path = _other(found, file, tmp_path / "results.jsonl", with_history)
    other = _compared(path, time_limit=1e-3)
    other.details[found.baseline]["history"]["train_loss"] = [np.nan, np.nan]
    other.to_html(tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    assert "fused: valid accuracy" in page
    assert f"{found.baseline}: train loss" in page
    assert "guess: " not in page
    assert page.count("all together") == 1
    assert page.count('class="c5"') >= 2  # every modality has a colour and a name
    assert "nan" not in page


def test_without_a_baseline_that_finished_there_is_nothing_to_beat(found, file, tmp_path):
    path = _only(found, file, tmp_path / "results.jsonl", dict.fromkeys(BASELINES, 2))
    other = _compared(path, time_limit=1e-3)
    assert other.baseline is None
    assert other.best == "fused"
    assert "No baseline finished, so whether anything beats one is not known" in other.verdict
    axes = other.plot().ax_
    assert not [line for line in axes.lines if line.get_linestyle() == "--"]
    assert ComparisonDisplay(other).plot(ax=axes).ax_ is axes
    other.to_html(tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    found.to_html(tmp_path / "with.html")
    marks = [text.count('class="mark"') for text in (page, (tmp_path / "with.html").read_text())]
    assert marks[0] == marks[1] - 1


FORMS = {
    "sparse": lambda value: sparse.csr_matrix(value),
    "polars": lambda value: pytest.importorskip("polars").DataFrame(value),
    "arrays": lambda value: [row[: 1 + k % 2, None] for k, row in enumerate(value)],
    "columns": lambda value: value,
}


@pytest.mark.parametrize("form", FORMS)
def test_a_file_of_results_is_of_the_values_that_it_was_made_of(form, tmp_path):
    y = np.arange(24) % 2
    value = np.random.default_rng(0).normal(size=(24, 2))
    arguments = {"models": {"a": Share()}, "cv": 2, "verbose": 0, "time_limit": 1e-3}
    arguments |= {"results": tmp_path / "results.jsonl", "random_state": np.int64(3)}

    def compared(value, target=y):
        target = {"sparse": sparse.csr_matrix, "columns": np.atleast_2d}.get(form, np.array)(target)
        X = Modalities(a=FORMS[form](value), b=np.ones((24, 1)))
        return compare(X, target.T if target.ndim == 2 else target, **arguments)

    first = compared(value)
    assert first.table["status"].eq("no time left").all()
    assert first.setting["kind"] == "classes"
    assert json.loads(json.dumps(first.to_dict()))["setting"]["random_state"] == 3
    changed = value.copy()
    changed[7, 0] += 1e-9
    with pytest.raises(ValueError, match="is of another comparison"):
        compared(changed)
    with pytest.raises(ValueError, match="is of another comparison"):
        compared(value, 1 - y)


def _gap(model, X, y):
    return float(np.abs(model.predict(X) - y).mean())


def _alpha(model, X, y):
    return float(model.best_estimator_[-1].alpha)


@pytest.mark.slow
def test_one_modality_of_numbers_is_compared_by_ones_own_scores(tmp_path):
    rng = np.random.default_rng(0)
    X = Modalities(a=rng.normal(size=(60, 2)))
    y = X["a"][:, 0] + 0.1 * rng.normal(size=60)
    train, test = np.arange(40), np.arange(40, 60)
    search = GridSearchCV(Unheard(error="not today"), {"stays": [False]}, cv=2)
    models = {"mean": Unheard(), "searched": search, "dead": Unheard(dies=True)}
    scoring = {"gap": _gap, "alpha": _alpha}
    arguments = {"scoring": scoring, "time_limit": "30m", "verbose": 0}
    found = compare(X, y, models=models, cv=[(train, test)], **arguments)
    table = found.table
    assert set(table.index) == BASELINES - {"stacking"} | set(models)  # nothing to stack
    assert found.setting["kind"] == "numbers"
    mean = np.full(20, y[train].mean())
    assert table.loc["mean", "gap"] == pytest.approx(np.abs(mean - y[test]).mean())
    assert table.loc["concatenation", "alpha"] in (1, 10, 100)
    assert np.isnan(table.loc["mean", "alpha"])  # it is no search
    assert table.loc["searched", ["status", "error"]].tolist() == [
        "failed",
        "RuntimeError: not today",
    ]
    assert all(details == {} for details in found.details.values())
    found.to_html(tmp_path / "report.html")
    assert "time limit 30 min" in (tmp_path / "report.html").read_text()


def _is_free(file):
    """Whether nobody holds a lock on a file, nor will in two seconds (a killed one may linger)."""
    fcntl = pytest.importorskip("fcntl")
    for _ in range(20):
        with file.open() as opened, suppress(BlockingIOError):
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        time.sleep(0.1)
    return False


@pytest.mark.slow
def test_time_limit_holds_and_what_was_ended_is_shown(tmp_path):
    X, y, _ = rows(40)
    models = {"endless": Endless(str(tmp_path / "child")), "after": Share(), "last": Share()}
    start = time.monotonic()
    found = compare(X, y, models=models, cv=2, time_limit="60s", verbose=0)
    assert time.monotonic() - start < 66
    assert found.table.loc["endless", ["status", "folds"]].tolist() == ["ended", "0 of 2"]
    assert _is_free(tmp_path / "child")  # nor does what it started live on
    assert found.table.loc["last", "status"] == "done"  # its share was kept for it
    assert found.table.loc["after", "status"] == "done"  # before it, or with what it left
    assert "for lack of time): endless (0 of 2 folds)" in found.verdict


def test_killed_and_called_again_it_goes_on(tmp_path):
    X, y, _ = rows(60)
    file = tmp_path / "results.jsonl"
    arguments = {"cv": 2, "verbose": 0, "results": file, "scoring": "accuracy"}
    first = compare(X, y, models={"a": Share()}, **arguments)
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join(lines[:4]) + lines[4][:20])  # died in the middle of a line
    second = compare(X, y, models={"a": Share()}, n_jobs=2, **arguments)
    known = first.scores["fit_seconds"].isin(second.scores["fit_seconds"])
    assert 0 < known.sum() < len(known)  # some were read, the others made again
    third = compare(X, y, models={"a": Share()}, **arguments)
    pd.testing.assert_frame_equal(third.scores, second.scores)
    third.to_html(tmp_path / "report.html")
    assert "lower is better" not in (tmp_path / "report.html").read_text()  # there is no loss
    assert third.setting["seconds"] < 2
    with pytest.raises(ValueError, match="is of another comparison"):
        compare(X, y[::-1], models={"a": Share()}, **arguments)
    file.write_text("hello\n")
    with pytest.raises(ValueError, match="is no file of results"):
        compare(X, y, models={"a": Share()}, **arguments)


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs signals")
def test_a_command_that_was_killed_leaves_nothing_running_and_goes_on(tmp_path):
    X, y, _ = rows(90)
    table = X.to_frame()
    table.columns = ["_".join(names) for names in table.columns]
    table.assign(y=y).to_csv(tmp_path / "a.csv", index=False)
    words = ["compare", str(tmp_path / "a.csv"), "--target", "y", "--models", "baselines"]
    kept = tmp_path / "a.csv.compare.jsonl"
    program = subprocess.Popen(
        [sys.executable, "-m", "sk_mmbalance", *words], stderr=subprocess.DEVNULL
    )
    while not kept.exists() or kept.read_text().count('"scores"') < 3:
        assert program.poll() is None
        time.sleep(0.02)
    program.send_signal(signal.SIGKILL)
    program.wait()
    time.sleep(2)  # a worker looks for its caller once a second
    before = kept.read_text()
    time.sleep(1)
    assert kept.read_text() == before
    assert 3 <= before.count('"scores"') < 25
    assert main([*words, "--json"]) == 0
    assert kept.read_text().startswith(before[: before.rindex("\n") + 1])
    assert kept.read_text().count('"scores"') == 25


@pytest.mark.parametrize(
    ("given", "seconds"), [("90", 90), ("1.5m", 90), ("10min", 600), ("1h30m", 5400), (2, 2)]
)
def test_durations(given, seconds):
    assert read_duration(given) == seconds


@pytest.mark.parametrize("given", ["", "soon", "-5", 0, "0s", "1.2.3s", float("nan"), [90], True])
def test_what_is_no_duration(given):
    with pytest.raises(ValueError, match="`time_limit` must be"):
        read_duration(given)


# -- numbers, and what is refused ------------------------------------------------------------------


@pytest.mark.slow
def test_numbers_are_compared_by_their_own_baselines():
    X, _, _ = rows()
    target = X["strong"].sum(axis=1) + np.random.default_rng(0).normal(size=120)
    found = compare(X, target, models={"own": _ridge()}, cv=3, verbose=0)
    assert found.setting["kind"] == "numbers"
    assert found.table.loc["own", "r2"] > 0.3
    assert (found.table.loc[list(BASELINES), "status"] == "done").all()
    assert "neg_mean_absolute_error" in found.table


def _ridge():
    from sklearn.linear_model import Ridge

    return Ridge()


class Foreign:
    fit = predict = len


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"models": []}, ValueError, "`models` must be 'default', .* or a dict"),
        ({"models": "some"}, ValueError, "`models` must be 'default', 'all', 'baselines'"),
        (
            {"models": ["OGM", "magic"]},
            ValueError,
            "'magic', which is none of .*OGM",
        ),
        ({"models": {"late fusion": Share()}}, ValueError, "names of the baselines"),
        ({"models": {"a": Share}}, TypeError, "no estimator with fit and predict"),
        ({"models": {"a": Foreign()}}, TypeError, r"inherit from sklearn\.base\.BaseEstimator"),
        ({"models": {"a": _ridge()}}, TypeError, "but `y` holds classes"),
        ({"scoring": "beauty"}, ValueError, "'beauty', which is no scorer"),
        ({"scoring": []}, ValueError, "`scoring` must be a scorer's name"),
        ({"n_jobs": 0}, ValueError, "`n_jobs` must be an integer other than 0"),
        ({"random_state": None}, ValueError, "`random_state` must be an integer"),
        ({"task": "guess"}, ValueError, "`task` must be 'auto'"),
        ({"task": "numbers"}, ValueError, "needs numbers"),
        ({"cv": 1}, ValueError, "`cv` must be at least 2 folds"),
        ({"groups": np.zeros(120)}, ValueError, "`groups` has a single group"),
        ({"y": np.zeros(120)}, ValueError, "one value only"),
        ({"y": [None] * 120}, ValueError, "no value in 120 row"),
        ({"y": np.zeros(3)}, ValueError, "`y` has 3 values, and `X` has 120 rows"),
        ({"y": np.arange(120).astype(str)}, ValueError, "none of them twice"),
        ({"y": np.full((120, 2), 2)}, ValueError, "several columns, which are no labels"),
        ({"y": np.full((120, 2), "a")}, ValueError, "several columns, which are no labels"),
        ({"y": np.zeros((120, 2), int)}, ValueError, "no label that varies"),
        ({"y": np.zeros((120, 2, 2))}, ValueError, "`y` must hold a value"),
        ({"task": "labels"}, ValueError, "which are no labels"),
        ({"scoring": {}}, ValueError, "`scoring` must map names to callables"),
        ({"scoring": {"error": len}}, ValueError, "`scoring` has the name 'error', which is"),
        ({"scoring": {"a": len, "a_std": len}}, ValueError, "`scoring` has the name 'a_std'"),
        ({"scoring": {1: len}}, ValueError, "`scoring` has the name 1, which is no word"),
        ({"models": ["OGM"], "X": Modalities(a=np.eye(120))}, ValueError, "'OGM', which is none"),
        ({"models": {"a": Unheard(stays=True)}, "y": np.arange(120.0)}, ValueError, "at home"),
        ({"random_state": -1}, ValueError, "from 0 to 4294967294"),
    ],
)
def test_what_cannot_be_used_is_refused_before_anything_runs(change, error, message):
    X, y, _ = rows()
    arguments = {"X": X, "models": {"a": Share()}, "y": y, "verbose": 0, **change}
    with pytest.raises(error, match=message):
        compare(**arguments)


def test_rows_without_any_modality_are_refused():
    X = Modalities(a=np.array([[np.nan], [1.0], [2.0], [3.0]]))
    with pytest.raises(ValueError, match=r"1 row.* in which every modality is missing"):
        compare(X, [0, 1, 0, 1])


def test_models_that_cannot_travel_are_refused():
    X, y, _ = rows()
    model = Share()
    model.seconds = (_ for _ in ())  # a generator
    with pytest.raises(TypeError, match="`models` cannot be sent to another process"):
        compare(X, y, models={"a": model}, verbose=0)


def test_all_failing_is_an_error_of_the_first():
    X = Modalities(a=[{"x": 1}, {"x": 2}] * 10)
    with pytest.raises((ValueError, TypeError), match=r"no default|all in `models`"):
        compare(X, [0, 1] * 10, cv=2, verbose=0)


# -- the whole list -------------------------------------------------------------------------------


@pytest.mark.slow
def test_default_models_all_finish_on_a_small_problem():
    X, y, groups = rows(90)
    found = compare(X, y, groups=groups, cv=2, verbose=0)
    assert found.table["status"].eq("done").all(), found.table["error"].tolist()
    assert set(found.table["kind"]) == {"baseline", "network", "method", "pool"}
    assert found.details["joint network"]["history"]
    assert found.best_estimator().predict(X).shape == (90,)


@pytest.mark.slow
def test_default_models_of_numbers_all_finish():
    X, _, groups = rows(90)
    found = compare(X, X["strong"][:, 0] ** 3, groups=groups, cv=GroupKFold(2), verbose=0)
    assert found.table["status"].eq("done").all(), found.table["error"].tolist()
    assert {"OGM", "opinion pool"} < set(found.table.index)


@pytest.mark.slow
def test_users_own_splits_and_pipelines_are_taken_as_they_are():
    X, y, _ = rows(60)
    own = make_pipeline(
        make_preprocessor(X), LateFusionClassifier(LogisticRegression(C=0.5), missing="mask")
    )
    splits = ShuffleSplit(2, test_size=0.25, random_state=0)
    found = compare(X, y, models={"own": own}, cv=splits, verbose=0, scoring={"hits": _hits})
    assert found.scores["n_test"].eq(15).all()
    assert found.table.loc["own", "hits"] > 0.5


@pytest.mark.slow
def test_a_score_that_no_model_has_is_refused():
    X, y, _ = rows(40)
    with pytest.raises(ValueError, match="`scoring` 'r2' cannot be had of any model"):
        compare(X, y, models="baselines", cv=2, scoring="r2", verbose=0)


def labels_of(n=160):
    """The first label is in one modality, the second in the other, the third in both."""
    rng = np.random.default_rng(0)
    y = (rng.random((n, 3)) < 0.4).astype(int)
    noise = rng.normal(size=(2, n, 2))
    X = Modalities(face=3 * y[:, [0, 2]] + noise[0], voice=3 * y[:, [1, 2]] + noise[1])
    return X, y


def test_several_labels_have_baselines_scores_and_calibration_of_their_own():
    X, y = labels_of()
    y = np.column_stack([y, np.ones(len(y), int)])  # of which a forest has one column
    forest = RandomForestClassifier(5, min_samples_leaf=5, random_state=0)
    own = make_pipeline(ModalityConcatenator(), forest)
    train, test = np.arange(80), np.arange(80, 160)
    models = {"own": own, "dead": Share(dies=True)}
    found = compare(X, y, models=models, cv=[(train, test)], verbose=0)
    assert "its process died" in found.table.loc["dead", "error"]
    table = found.table.drop("dead")
    assert found.setting["kind"] == "labels"
    assert found.setting["scoring"] == ["accuracy", "f1_macro", "neg_log_loss"]
    assert table["status"].eq("done").all(), table["error"].tolist()
    assert table["accuracy"].idxmin() == "best single modality"  # it lacks a label
    assert sum(b[0] for b in found.details["own"]["calibration"]) == y[test].size
    assert found.details["stacking"]["worth"]["table"].keys() == {"face", "voice"}
    said = own.fit(X[train], y[train]).predict_proba(X[test])
    losses = [log_loss(y[test, k], said[k][:, 1], labels=[0, 1]) for k in range(3)]
    assert found.table.loc["own", "neg_log_loss"] == pytest.approx(-sum(losses) / 4)


@pytest.mark.slow
def test_all_methods_of_classes_and_of_labels_finish():
    X, y, _ = rows(60)
    found = compare(X, y, models="all", cv=2, verbose=0)
    assert found.table["status"].eq("done").all(), found.table["error"].tolist()
    assert (found.table["kind"] == "method").sum() == len(balancing.__all__) - 1
    X, y = labels_of(60)
    found = compare(X, y, cv=2, verbose=0)
    assert found.table["status"].eq("done").all(), found.table["error"].tolist()
    assert {"LFM", "OGM", "opinion pool", "independent networks"} < set(found.table.index)
    assert "negative learning" not in found.table.index  # it needs one class a row


@pytest.mark.slow
def test_models_are_named_by_what_tables_or_classes_call_them():
    X, y, _ = rows(60)
    found = compare(X, y, models=["negative learning", "OGM", "jointnetwork"], cv=2, verbose=0)
    assert set(found.table.index) == BASELINES | {"negative learning", "OGM", "joint network"}


def _hits(model, X, y):
    return float((model.predict(X) == y).mean())


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("y", 3),
        ("y", [[1], *[[1, 2]] * 23]),
        ("y", np.array([3.5, *["a"] * 23], dtype=object)),
        ("y", np.arange(24) % 2 + 1j),
        ("task", np.array(["auto", "classes"])),
    ],
)
def test_what_cannot_be_read_is_refused_by_name(parameter, value):
    given = {"X": {"ear": np.ones((24, 2))}, "y": np.arange(24) % 2, parameter: value}
    with pytest.raises((TypeError, ValueError), match=f"`{parameter}`"):
        compare(**given, models={"late": LateFusionClassifier()}, verbose=0)
