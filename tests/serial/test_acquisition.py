"""What a prediction touches, asks for, and reports."""

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn.ensemble import HistGradientBoostingClassifier

from sk_mmbalance import Modalities, SerialFusionClassifier
from sk_mmbalance.exceptions import MissingModalityError


class Sensor:
    """Acquires a modality on demand and remembers what it was asked for."""

    def __init__(self, values):
        self.values = values
        self.asked = []

    def __call__(self, rows):
        self.asked.append(rows)
        return self.values[rows]


@pytest.fixture
def chain(three_classes, three_stages):
    return SerialFusionClassifier(three_stages, price=1e-4).fit(three_classes.X, three_classes.y)


def test_callable_is_asked_for_exactly_the_deferred_rows_once(chain, three_classes):
    X = three_classes.X
    strong, extra = Sensor(X["strong"]), Sensor(X["extra"])
    report = chain.decision_report({"weak": X["weak"], "strong": strong, "extra": extra})
    expected = chain.decision_report(X)
    np.testing.assert_array_equal(report.proba, expected.proba)
    np.testing.assert_array_equal(report.labels, expected.labels)
    assert len(strong.asked) == 1
    assert len(extra.asked) == 1
    np.testing.assert_array_equal(strong.asked[0], np.flatnonzero(report.stage >= 1))
    np.testing.assert_array_equal(extra.asked[0], np.flatnonzero(report.stage >= 2))
    assert 0 < len(extra.asked[0]) < len(strong.asked[0]) < len(X)


def test_modality_of_two_stages_is_asked_for_once(three_classes):
    X, y = three_classes.X, three_classes.y
    staged = [
        ("a", None, "weak", 1),
        ("b", None, ["weak", "strong"], 1),
        ("c", None, ["strong", "extra"], 1),
    ]
    chain = SerialFusionClassifier(staged, price=1e-5).fit(X, y)
    strong = Sensor(X["strong"])
    report = chain.decision_report({"weak": X["weak"], "strong": strong, "extra": X["extra"]})
    assert (report.stage == 2).any()
    assert len(strong.asked) == 1
    np.testing.assert_array_equal(report.proba, chain.predict_proba(X))


def test_callable_is_not_called_when_nothing_is_deferred(three_classes, stages):
    X, y = three_classes.X, three_classes.y
    chain = SerialFusionClassifier(stages, thresholds="never").fit(X, y)
    strong = Sensor(X["strong"])
    chain.predict({"weak": X["weak"], "strong": strong})
    assert strong.asked == []
    chain.predict({"weak": X["weak"]})  # it need not even be there


@pytest.mark.parametrize("junk", [np.nan, np.inf, "part"])
def test_values_of_decided_rows_are_never_looked_at(chain, three_classes, junk):
    X = three_classes.X
    report = chain.decision_report(X)
    spoilt = {name: X[name].copy() for name in X}
    for k, name in ((1, "strong"), (2, "extra")):
        decided = report.stage < k
        if junk == "part":
            spoilt[name][decided, 0] = np.nan
        else:
            spoilt[name][decided] = junk
    for form in (spoilt, Modalities(spoilt)):
        np.testing.assert_array_equal(chain.predict_proba(form), report.proba)


def test_flat_table_too_may_lack_what_decided_rows_do_not_need(three_classes, stages):
    X, y = three_classes.X, three_classes.y
    flat = np.hstack([X["weak"], X["strong"]])
    columns = {"weak": [0, 1], "strong": slice(2, 6)}
    chain = SerialFusionClassifier(stages, modalities=columns, price=1e-3).fit(flat, y)
    report = chain.decision_report(flat)
    spoilt = flat.copy()
    spoilt[report.stage == 0, 2:] = np.nan
    np.testing.assert_array_equal(chain.predict_proba(spoilt), report.proba)


def test_report_adds_up(chain, three_classes):
    X = three_classes.X
    report = chain.decision_report(X)
    labels, stage = chain.predict(X, return_stage=True)
    np.testing.assert_array_equal(labels, report.labels)
    np.testing.assert_array_equal(stage, report.stage)
    np.testing.assert_array_equal(report.cost, np.array([1, 11, 41])[stage])
    np.testing.assert_array_equal(report.ran, np.arange(3) <= stage[:, None])
    assert (report.acquired["weak"]).all()
    np.testing.assert_array_equal(report.acquired["strong"], stage >= 1)
    np.testing.assert_array_equal(report.acquired["extra"], stage >= 2)
    cost = chain.acquisition_cost(X)
    assert cost.total == report.total_cost == report.cost.sum()
    assert cost.mean == report.mean_cost == cost.total / len(X)
    assert cost.deferred_share == report.deferred_share == (stage > 0).mean()
    np.testing.assert_array_equal(cost.per_row, report.cost)
    table = report.by_stage()
    assert table["n_decided"].sum() == len(X)
    assert list(table["n_ran"]) == [(stage >= k).sum() for k in range(3)]


def test_tuning_figures_are_those_of_the_chain_on_its_scores(three_classes, stages):
    X, y = three_classes.X, three_classes.y
    chain = SerialFusionClassifier(stages, prefit=False, price=1e-3).fit(X, y)
    prefit = [(n, e, m, c) for (n, _, m, c), e in zip(stages, chain.estimators_, strict=True)]
    again = SerialFusionClassifier(prefit, prefit=True, price=1e-3).fit(X, y)
    assert again.expected_cost_ == pytest.approx(again.acquisition_cost(X).mean)
    assert again.expected_error_ == pytest.approx(1 - again.score(X, y))


# -- missing -----------------------------------------------------------------------------------


def test_deferred_row_without_its_modality_is_an_error(chain, three_classes):
    X = three_classes.X
    with pytest.raises(MissingModalityError, match=r"lacks modality 'strong' .* stage 'second'"):
        chain.predict({"weak": X["weak"], "extra": X["extra"]})
    gone = X["weak"].copy()
    gone[3] = np.nan
    with pytest.raises(
        MissingModalityError, match=r"'weak' contains NaN .* 1 row\(s\) that stage 'first'"
    ):
        chain.predict({"weak": gone, "strong": X["strong"], "extra": X["extra"]})


def test_mask_falls_back_to_the_latest_score(three_classes, stages):
    X, y = three_classes.X, three_classes.y
    chain = SerialFusionClassifier(stages, price=1e-3, missing="mask").fit(X, y)
    report = chain.decision_report({"weak": X["weak"]})
    assert (report.stage == 0).all()
    assert report.mean_cost == 1
    np.testing.assert_array_equal(report.labels, chain.estimators_[0].predict(X["weak"]))


def test_mask_hands_a_row_without_the_first_modality_on(three_classes, stages):
    X, y = three_classes.X, three_classes.y
    chain = SerialFusionClassifier(stages, price=1e-3, missing="mask").fit(X, y)
    weak = X["weak"].copy()
    weak[:50] = np.nan
    report = chain.decision_report({"weak": weak, "strong": X["strong"]})
    assert (report.stage[:50] == 1).all()
    np.testing.assert_array_equal(report.cost[:50], 10)
    np.testing.assert_array_equal(report.stage[50:], chain.decision_report(X).stage[50:])
    strong = X["strong"].copy()
    strong[0] = np.nan
    with pytest.raises(MissingModalityError, match="no stage can run"):
        chain.predict({"weak": weak, "strong": strong})


def test_rows_that_no_stage_can_run_for_what_accumulates_are_told_so(three_classes, stages):
    X, y = three_classes.X, three_classes.y
    chain = SerialFusionClassifier(stages, accumulate=True, missing="mask").fit(X, y)
    weak = X["weak"].copy()
    weak[0] = np.nan  # the second stage needs it, too
    with pytest.raises(MissingModalityError, match=r"1 row.* by `accumulate` each needs"):
        chain.predict({"weak": weak, "strong": X["strong"]})


def test_mask_trains_each_stage_on_the_rows_that_have_it(three_classes, stages):
    X, y = three_classes.X, three_classes.y
    spoilt = {"weak": X["weak"].copy(), "strong": X["strong"].copy()}
    spoilt["strong"][:60] = np.nan
    spoilt["weak"][100:120] = np.nan
    with pytest.raises(MissingModalityError, match="missing='mask'"):
        SerialFusionClassifier(stages).fit(spoilt, y)
    chain = SerialFusionClassifier(stages, price=1e-3, missing="mask").fit(spoilt, y)
    from sk_mmbalance.experts import default_classifier

    rest = np.arange(len(y)) >= 60
    plain = default_classifier(scaled=True).fit(X["strong"][rest], y[rest])
    np.testing.assert_array_equal(
        chain.estimators_[1].predict_proba(X["strong"]), plain.predict_proba(X["strong"])
    )
    prefit = [(n, e, m, c) for (n, _, m, c), e in zip(stages, chain.estimators_, strict=True)]
    again = SerialFusionClassifier(prefit, prefit=True, missing="mask", price=1e-3).fit(spoilt, y)
    assert again.expected_cost_ == pytest.approx(again.acquisition_cost(spoilt).mean)
    assert again.expected_error_ == pytest.approx(1 - again.score(spoilt, y))


def test_accumulating_stage_that_takes_nan_runs_without_earlier_modalities(three_classes):
    X, y = three_classes.X, three_classes.y
    tree = HistGradientBoostingClassifier(max_iter=5)
    staged = [("a", None, "weak", 1), ("b", tree, "strong", 1)]
    chain = SerialFusionClassifier(staged, accumulate=True, missing="mask", cv=2).fit(X, y)
    weak = X["weak"].copy()
    weak[:10] = np.nan
    report = chain.decision_report({"weak": weak, "strong": X["strong"]})
    assert (report.stage[:10] == 1).all()


def test_sensor_may_fail_on_some_rows_with_mask(three_classes, stages):
    X, y = three_classes.X, three_classes.y
    chain = SerialFusionClassifier(stages, thresholds="always", missing="mask").fit(X, y)
    broken = X["strong"].copy()
    broken[::2] = np.nan
    report = chain.decision_report({"weak": X["weak"], "strong": Sensor(broken)})
    np.testing.assert_array_equal(report.stage, np.arange(len(y)) % 2)
    assert not report.acquired["strong"][::2].any()


@pytest.mark.parametrize("form", ["arrays", "sparse"])
def test_a_modality_that_rows_are_asked_for_at_different_stages_is_put_together(
    three_classes, form
):
    X, y = three_classes.X, three_classes.y
    lacking = np.arange(len(y)) % 3 == 0
    extra = np.where(lacking[:, None], np.nan, X["extra"])
    strong = csr_matrix(X["strong"]) if form == "sparse" else X["strong"]
    staged = [("a", None, "weak", 1), ("b", None, ["extra", "strong"], 1), ("c", None, "strong", 1)]
    chain = SerialFusionClassifier(staged, thresholds="always", missing="mask")
    chain.fit(Modalities(weak=X["weak"], extra=X["extra"], strong=strong), y)
    sensor = Sensor(strong)
    report = chain.decision_report({"weak": X["weak"], "extra": extra, "strong": sensor})
    assert [rows.tolist() for rows in sensor.asked] == [
        np.flatnonzero(~lacking).tolist(),
        np.flatnonzero(lacking).tolist(),  # what the second stage had no use for
    ]
    assert (report.stage == 2).all()
    alone = SerialFusionClassifier([("c", None, "strong", 1)])
    alone.fit(Modalities(strong=strong), y)
    expected = alone.predict_proba(Modalities(strong=strong))
    np.testing.assert_allclose(report.proba, expected)


def test_what_earlier_stages_did_not_acquire_is_missing_to_later_ones(three_classes):
    X, y = three_classes.X, three_classes.y
    X = Modalities({**dict(X.items()), "more": X["extra"][:, :2] + X["strong"][:, :2]})
    lacking = np.arange(len(y)) % 3 == 0
    trees = HistGradientBoostingClassifier(max_iter=3)
    staged = [
        ("a", trees, "weak", 1),
        ("b", trees, ["extra", "strong"], 1),
        ("c", trees, "more", 1),
    ]
    made = {"accumulate": True, "thresholds": "always", "missing": "mask"}
    chain = SerialFusionClassifier(staged, **made).fit(X, y)

    def without(names, rows):
        gone = {n: np.where(rows[:, None], np.nan, X[n]) for n in names}
        return Modalities({**dict(X.items()), **gone})

    some = chain.predict_proba(without(["extra"], lacking))
    np.testing.assert_array_equal(some, chain.predict_proba(without(["extra", "strong"], lacking)))
    assert (some != chain.predict_proba(X)).any()
    none = chain.predict_proba({name: X[name] for name in ("extra", "strong", "more")})
    every = np.ones(len(y), dtype=bool)
    np.testing.assert_array_equal(none, chain.predict_proba(without(["weak"], every)))


# -- bad input -----------------------------------------------------------------------------------


def test_callable_in_fit_is_refused(three_classes, stages):
    X = {"weak": three_classes.X["weak"], "strong": lambda rows: rows}
    with pytest.raises(TypeError, match="'strong' is a callable; `fit` needs arrays"):
        SerialFusionClassifier(stages).fit(X, three_classes.y)


def test_bad_callables_are_named(chain, three_classes):
    X = three_classes.X
    weak, extra = X["weak"], X["extra"]
    with pytest.raises(ValueError, match="at least one modality as an array"):
        chain.predict({name: Sensor(X[name]) for name in X})
    with pytest.raises(ValueError, match="'nose', not seen in fit"):
        chain.predict({"weak": weak, "nose": Sensor(extra)})
    with pytest.raises(ValueError, match="its callable gave 1"):
        chain.predict({"weak": weak, "strong": lambda rows: X["strong"][:1], "extra": extra})
    with pytest.raises(ValueError, match=r"'strong' has shape \(6,\)"):
        chain.predict({"weak": weak, "strong": Sensor(extra), "extra": extra})


def test_memory_mapped_modality_is_read_for_deferred_rows_only(tmp_path, chain, three_classes):
    X = three_classes.X
    np.save(tmp_path / "strong.npy", X["strong"])
    mapped = np.load(tmp_path / "strong.npy", mmap_mode="r")
    form = Modalities(weak=X["weak"], strong=mapped, extra=X["extra"])
    np.testing.assert_array_equal(chain.predict_proba(form), chain.predict_proba(X))
