"""What Shapley values of a fitted estimator must be, whatever the estimator."""

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import get_scorer, make_scorer, median_absolute_error, roc_auc_score

from sk_mmbalance import LateFusionClassifier, Modalities, MultimodalClassifier
from sk_mmbalance.inspection import coalition_scores, modality_contributions

REMOVALS = ["permute", "marginal", "mean", "zero"]
RANDOM = ["permute", "marginal"]


class Alone:
    """Predicts from one modality only; the others are given and ignored."""

    def __init__(self, used, model=None):
        self.used = used

    def predict(self, X):
        return (np.asarray(X[self.used])[:, 0] > 0) * 1


class Xor:
    """Right only where both signs are known."""

    def predict(self, X):
        return ((X["a"] > 0) ^ (X["b"] > 0))[:, 0] * 1


def xor_rows():
    signs = np.array([[-1.0, -1.0], [-1.0, 1.0], [1.0, -1.0], [1.0, 1.0]] * 25)
    return {"a": signs[:, :1], "b": signs[:, 1:]}, (signs[:, 0] * signs[:, 1] < 0) * 1


@pytest.mark.parametrize("removal", REMOVALS)
@pytest.mark.parametrize("scoring", ["accuracy", "neg_log_loss", "roc_auc"])
def test_contributions_sum_to_all_less_nothing(linear, table, removal, scoring):
    found = modality_contributions(
        linear,
        table.X_test,
        table.y_test,
        modalities=table.columns,
        removal=removal,
        scoring=scoring,
        n_bootstrap=0,
        n_repeats=2,
        random_state=0,
    )
    total = found.table["contribution"].sum()
    assert total == pytest.approx(found.score_all - found.score_none, abs=1e-12)
    plain = get_scorer(scoring)(linear, table.X_test, table.y_test)
    assert found.score_all == pytest.approx(plain, abs=1e-12)
    assert found.coalitions.score_of(["voice", "face", "gait"]) == found.score_all
    assert found.coalitions.score_of([]) == found.score_none


@pytest.mark.parametrize("removal", REMOVALS)
def test_ignored_modality_gets_exactly_nothing(problem, removal):
    found = modality_contributions(
        Alone("face"), problem.X_test, problem.y_test, removal=removal, random_state=0
    ).table
    assert found.loc[["gait", "voice"], ["contribution", "low", "high", "drop"]].eq(0).all().all()
    assert found.loc["face", "contribution"] > 0.2


@pytest.mark.parametrize("removal", RANDOM)
def test_ignored_modality_gets_exactly_nothing_from_a_regressor(problem, removal):
    y = problem.X_test["face"].sum(axis=1) / 3

    class First:
        def predict(self, X):
            return np.asarray(X["face"]).sum(axis=1) / 7

    found = modality_contributions(First(), problem.X_test, y, removal=removal, random_state=0)
    assert found.setting.scoring == "r2"
    assert found.table.loc["gait", "contribution"] == 0


@pytest.mark.parametrize("removal", REMOVALS)
def test_interchangeable_modalities_get_the_same(removal):
    rng = np.random.default_rng(0)
    twin = rng.normal(size=(60, 2))
    X = {"a": twin, "b": twin.copy(), "c": rng.normal(size=(60, 1))}
    y = (twin.sum(axis=1) + rng.normal(size=60) > 0) * 1

    class Sum:
        def predict(self, X):
            return (X["a"].sum(axis=1) + X["b"].sum(axis=1) + X["c"][:, 0] > 0) * 1

    values = modality_contributions(Sum(), X, y, removal=removal, random_state=0).table
    assert values.loc["a", "contribution"] == pytest.approx(
        values.loc["b", "contribution"], abs=1e-12
    )
    assert values.loc["a", "contribution"] > 0


def test_interval_of_noise_covers_nothing_and_that_of_a_signal_does_not(linear, table):
    found = modality_contributions(
        linear, table.X_test, table.y_test, modalities=table.columns, random_state=0
    ).table
    assert found.loc["gait", "low"] <= 0 <= found.loc["gait", "high"]
    assert found.loc["face", "low"] > 0.1
    inside = found["contribution"].between(found["low"], found["high"])
    assert inside.all()


def test_intervals_cover_a_known_value_about_as_often_as_they_say():
    # always right with face, a coin without it: worth 0.5 over many rows
    covered = []
    for seed in range(25):
        rng = np.random.default_rng(seed)
        face = rng.choice([-1.0, 1.0], size=(200, 1))
        X = {"face": face, "voice": rng.normal(size=(200, 1))}
        y = (face[:, 0] > 0) * 1
        y = np.where(rng.random(200) < 0.2, 1 - y, y)  # accuracy 0.8; 0.5 without: worth 0.3
        row = modality_contributions(
            Alone("face"), X, y, n_repeats=4, n_bootstrap=60, random_state=seed
        ).table.loc["face"]
        covered.append(row["low"] <= 0.3 <= row["high"])
    assert 0.85 <= np.mean(covered) <= 1.0


@pytest.mark.parametrize("removal", REMOVALS)
def test_names_and_their_order_change_nothing(linear, table, removal):
    def values(columns):
        found = modality_contributions(
            linear,
            table.X_test,
            table.y_test,
            modalities=columns,
            removal=removal,
            random_state=0,
        )
        return found.table

    first = values(table.columns)
    pd.testing.assert_frame_equal(first, values(dict(reversed(table.columns.items()))))
    new_names = {"face": "z", "gait": "y", "voice": "x"}
    renamed = values({new_names[name]: numbers for name, numbers in table.columns.items()})
    back = renamed.rename({new: old for old, new in new_names.items()}).loc[first.index]
    np.testing.assert_allclose(back, first, atol=1e-12)


@pytest.mark.parametrize("removal", ["mean", "zero"])
@pytest.mark.parametrize("scoring", ["accuracy", "roc_auc", "neg_log_loss"])
def test_weight_two_equals_a_row_twice_and_weight_zero_none(linear, table, removal, scoring):
    weights = np.arange(len(table.y_test)) % 3
    rows = np.repeat(np.arange(len(weights)), weights)
    options = {
        "modalities": table.columns,
        "removal": removal,
        "scoring": scoring,
        "n_bootstrap": 0,
    }
    weighted = modality_contributions(
        linear, table.X_test, table.y_test, sample_weight=weights, **options
    )
    repeated = modality_contributions(linear, table.X_test[rows], table.y_test[rows], **options)
    np.testing.assert_allclose(weighted.table, repeated.table, atol=1e-12)


def test_weights_count_in_the_native_prior_and_in_intervals(problem):
    model = LateFusionClassifier(missing="mask").fit(problem.X, problem.y)
    weights = 1.0 + 2 * problem.y_test
    found = coalition_scores(
        model,
        problem.X_test,
        problem.y_test,
        removal="native",
        sample_weight=weights,
        random_state=0,
    )
    assert found.setting.empty == "prior"
    assert found.score_of([]) == pytest.approx(0.75)  # class 1 weighs three times class 0
    none = found.table.loc["(none)"]
    assert none["low"] < 0.75 < none["high"]


@pytest.mark.parametrize("removal", ["mean", "zero"])
def test_order_of_rows_changes_nothing(linear, table, removal):
    rows = np.random.default_rng(0).permutation(len(table.y_test))
    options = {"modalities": table.columns, "removal": removal, "n_bootstrap": 0}
    first = modality_contributions(linear, table.X_test, table.y_test, **options)
    again = modality_contributions(linear, table.X_test[rows], table.y_test[rows], **options)
    np.testing.assert_allclose(first.table, again.table, atol=1e-12)


def test_same_seed_same_numbers_and_jobs_change_nothing(linear, table):
    def values(n_jobs, seed=0):
        return modality_contributions(
            linear,
            table.X_test,
            table.y_test,
            modalities=table.columns,
            n_bootstrap=20,
            n_jobs=n_jobs,
            random_state=seed,
        ).table

    pd.testing.assert_frame_equal(values(None), values(1))
    with joblib.parallel_config(backend="threading"):
        pd.testing.assert_frame_equal(values(None), values(2))
    assert not values(None).equals(values(None, seed=1))


def test_draws_do_not_depend_on_the_number_of_resamples(linear, table):
    options = {"modalities": table.columns, "random_state": 0}
    few = modality_contributions(linear, table.X_test, table.y_test, n_bootstrap=0, **options)
    many = modality_contributions(linear, table.X_test, table.y_test, n_bootstrap=50, **options)
    columns = ["contribution", "alone", "drop"]
    pd.testing.assert_frame_equal(few.table[columns], many.table[columns])
    assert few.table[["low", "high", "std_error"]].isna().all().all()
    assert "[" not in few.report()


def test_estimator_and_input_are_left_as_they_were(linear, table):
    before = {k: np.copy(v) for k, v in vars(linear).items() if isinstance(v, np.ndarray)}
    X = table.X_test.copy()
    modality_contributions(linear, X, table.y_test, modalities=table.columns, n_bootstrap=5)
    np.testing.assert_array_equal(X, table.X_test)
    for name, value in before.items():
        np.testing.assert_array_equal(getattr(linear, name), value)


def test_cooperation_tells_xor_from_redundancy():
    X, y = xor_rows()
    found = modality_contributions(Xor(), X, y, n_repeats=20, random_state=0)
    assert found.cooperation == pytest.approx(0.5, abs=0.05)
    assert found.cooperation_interval[0] > 0.3
    twin = {"a": X["a"], "b": X["a"]}

    class Either:
        def predict(self, X):
            return (X["a"][:, 0] + X["b"][:, 0] > 0) * 1

    alike = modality_contributions(Either(), twin, (X["a"][:, 0] > 0) * 1, removal="zero")
    assert alike.cooperation == pytest.approx(-0.5)  # either of them does it all: 1 - 1 - 1 + 0.5
    assert alike.utilisation_gap == 0


def test_single_modality_gets_everything():
    X, _ = xor_rows()
    found = modality_contributions(Alone("a"), {"a": X["a"]}, (X["a"][:, 0] > 0) * 1)
    assert found.table.loc["a", "contribution"] == found.score_all - found.score_none
    assert found.cooperation == 0
    assert "cooperation" not in found.report()


def test_empty_coalition_is_what_is_asked_for(problem):
    model = LateFusionClassifier().fit(problem.X, problem.y)
    shares = {
        empty: coalition_scores(
            model, problem.X_test, problem.y_test, removal="zero", empty=empty, n_bootstrap=3
        )
        for empty in ("model", "prior", 0.25)
    }
    X_none = {name: np.zeros_like(value) for name, value in problem.X_test.items()}
    assert shares["model"].score_of([]) == model.score(X_none, problem.y_test)
    assert shares["prior"].score_of([]) == 0.5
    assert shares[0.25].score_of([]) == 0.25
    assert shares[0.25].table.loc["(none)", ["low", "high"]].tolist() == [0.25, 0.25]


def test_native_rows_with_nothing_left_get_the_prior(problem):
    X, y = problem.X_test, problem.y_test
    holes = np.where(np.arange(len(y))[:, None] < 60, np.nan, X["face"])
    X = Modalities(face=holes, gait=X["gait"], voice=X["voice"])
    model = LateFusionClassifier(missing="mask").fit(problem.X, problem.y)
    found = coalition_scores(model, X, y, removal="native", n_bootstrap=0)
    seen = model.predict(X.select(["face"])[60:]) == y[60:]
    expected = (seen.sum() + (y[:60] == 0).sum()) / len(y)  # the prior's label is the first
    assert found.score_of(["face"]) == pytest.approx(expected)


def test_absent_modality_is_worth_nothing_in_its_rows(problem):
    X, y = problem.X_test, problem.y_test
    gone = Modalities(face=np.full((len(y), 2), np.nan), gait=X["gait"], voice=X["voice"])
    model = LateFusionClassifier(missing="mask").fit(problem.X, problem.y)
    for removal in ("native", "permute", "zero"):
        found = modality_contributions(model, gone, y, removal=removal, random_state=0)
        assert found.table.loc["face", "contribution"] == 0


@pytest.mark.parametrize("removal", ["permute", "zero"])
def test_sampled_contributions_are_near_the_exact_ones_and_still_sum_up(linear, table, removal):
    columns = {str(number): [number] for number in range(5)}
    options = {
        "modalities": columns,
        "removal": removal,
        "n_repeats": 2,
        "n_bootstrap": 10,
        "random_state": 0,
    }
    exact = modality_contributions(linear, table.X_test, table.y_test, **options)
    sampled = modality_contributions(linear, table.X_test, table.y_test, n_orders=12, **options)
    assert (exact.table["sampling_error"] == 0).all()
    error = sampled.table["sampling_error"]
    distance = (exact.table["contribution"] - sampled.table["contribution"]).abs()
    assert (distance <= 4 * error + 1e-12).all()
    assert error.max() > 0
    total = sampled.table["contribution"].sum()
    assert total == pytest.approx(sampled.score_all - sampled.score_none, abs=1e-12)
    for column in ("alone", "drop"):
        np.testing.assert_allclose(sampled.table[column], exact.table[column], atol=1e-12)
    assert sampled.coalitions is None
    assert "sampled" in sampled.report()


def test_beyond_ten_modalities_contributions_are_sampled_and_tables_refused():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 11))
    y = X @ np.arange(11.0)
    model = LinearRegression().fit(X, y)
    blocks = {f"m{number:02d}": [number] for number in range(11)}
    found = modality_contributions(
        model, X, y, modalities=blocks, n_repeats=1, n_bootstrap=2, removal="mean"
    )
    assert found.coalitions is None
    assert found.table["contribution"].idxmax() == "m10"
    with pytest.raises(ValueError, match=r"11 modalities.*at most 10"):
        coalition_scores(model, X, y, modalities=blocks)
    with pytest.raises(ValueError, match=r"`level='row'`.*at most 10"):
        modality_contributions(model, X, y, modalities=blocks, level="row")


def test_groups_are_resampled_whole(linear, table):
    # 6 groups of 20 rows that are right or wrong together: far fewer free choices than 120 rows
    y = table.y_test.copy()
    groups = np.arange(120) // 20
    options = {"modalities": table.columns, "removal": "zero", "random_state": 0}
    flipped = np.where(groups % 2, 1 - y, y)
    by_row = coalition_scores(linear, table.X_test, flipped, **options)
    by_group = coalition_scores(linear, table.X_test, flipped, groups=groups, **options)
    name = "face+gait+voice"
    assert by_group.table.loc[name, "std_error"] > 2 * by_row.table.loc[name, "std_error"]
    assert by_group.setting.n_groups == 6
    assert "in 6 groups" in repr(by_group)


def test_quick_replicates_are_those_of_the_scorer(linear, table):
    """Sums over rows give what calling the scorer on every resample gives."""
    options = {
        "modalities": table.columns,
        "removal": "zero",
        "n_bootstrap": 8,
        "random_state": 0,
    }
    weights = np.random.default_rng(0).uniform(0.5, 2, len(table.y_test))
    for name in ("accuracy", "neg_log_loss"):
        quick = coalition_scores(
            linear, table.X_test, table.y_test, scoring=name, sample_weight=weights, **options
        )
        slow = coalition_scores(
            linear,
            table.X_test,
            table.y_test,
            scoring=get_scorer(name),
            sample_weight=weights,
            **options,
        )
        np.testing.assert_allclose(quick.replicates, slow.replicates, atol=1e-12)
    model = LinearRegression().fit(table.X, table.X[:, 0] ** 2)
    y = table.X_test[:, 0] ** 2
    for name in ("r2", "neg_mean_squared_error", "neg_mean_absolute_error"):
        quick = coalition_scores(
            model, table.X_test, y, scoring=name, sample_weight=weights, **options
        )
        slow = coalition_scores(
            model, table.X_test, y, scoring=get_scorer(name), sample_weight=weights, **options
        )
        np.testing.assert_allclose(quick.replicates, slow.replicates, atol=1e-12)


def test_own_callable_may_look_at_rows_and_ask_for_anything(problem):
    model = LateFusionClassifier().fit(problem.X, problem.y)
    asked = []

    def scorer(estimator, X, y):
        asked.append(X)
        assert "LateFusionClassifier" in repr(estimator)
        extra = estimator.unimodal_predict_proba(X)["face"]  # not a method that is kept
        assert extra.shape == (len(y), 2)
        return float((estimator.predict(X) == y).mean())

    own = coalition_scores(
        model, problem.X_test, problem.y_test, scoring=scorer, removal="zero", n_bootstrap=2
    )
    named = coalition_scores(
        model, problem.X_test, problem.y_test, scoring="accuracy", removal="zero", n_bootstrap=2
    )
    np.testing.assert_allclose(own.scores, named.scores)
    assert own.setting.scoring == "scorer"
    assert (asked[0]["face"] == 0).all()


def test_score_that_a_resample_cannot_have_is_left_out(linear, table):
    few = np.r_[np.flatnonzero(table.y_test == 0), np.flatnonzero(table.y_test == 1)[:1]]
    found = coalition_scores(
        linear,
        table.X_test[few],
        table.y_test[few],
        modalities={"all": slice(None)},
        scoring="roc_auc",
        removal="zero",
        n_bootstrap=40,
        random_state=0,
    )
    lost = np.isnan(found.replicates).mean()
    assert 0.2 < lost < 0.6  # a single positive row is drawn by 63 % of the resamples
    assert found.table[["low", "high", "std_error"]].notna().all().all()


def test_several_outputs_and_labels_are_scored(table):
    targets = np.column_stack([table.X[:, 0], table.X[:, 4]])
    model = LinearRegression().fit(table.X, targets)
    found = modality_contributions(
        model,
        table.X_test,
        np.column_stack([table.X_test[:, 0], table.X_test[:, 4]]),
        modalities=table.columns,
        removal="mean",
        n_bootstrap=5,
    )
    np.testing.assert_allclose(found.table["contribution"], [0.5, 0, 0.5], atol=1e-9)

    labels = (targets > 0) * 1
    forest = RandomForestClassifier(5, random_state=0).fit(table.X, labels)
    several = modality_contributions(
        forest,
        table.X_test,
        np.column_stack([table.X_test[:, 0] > 0, table.X_test[:, 4] > 0]) * 1,
        modalities=table.columns,
        removal="marginal",
        empty="prior",
        n_repeats=3,
        n_bootstrap=5,
        random_state=0,
    )
    assert several.score_all > 0.8
    assert several.table.loc["gait", "contribution"] < 0.1


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"removal": "drop"}, ValueError, r"`removal` must be one of .*'permute'"),
        ({"removal": np.array([0.1, 0.2])}, ValueError, "`removal` must be one of"),
        ({"empty": np.array([0.1, 0.2])}, ValueError, "`empty` must be"),
        ({"level": np.array(["row", "row"])}, ValueError, "`level` must be"),
        ({"scale": [1]}, ValueError, "`scale` must be"),
        ({"n_orders": np.array([4, 6])}, ValueError, "`n_orders` must be"),
        ({"n_repeats": 0}, ValueError, "`n_repeats` must be an integer of at least 1"),
        ({"n_repeats": 10**30}, ValueError, "`n_repeats` must be .* at most 100000; got 1000"),
        ({"n_orders": 10**30}, ValueError, "`n_orders` must be .* at most 100000; got 1000"),
        ({"n_bootstrap": -1}, ValueError, "`n_bootstrap` must be an integer of at least 0"),
        ({"n_bootstrap": 2.5}, ValueError, "`n_bootstrap` must be an integer"),
        ({"confidence": 95}, ValueError, "`confidence` must lie between 0 and 1"),
        ({"empty": "nothing"}, ValueError, "`empty` must be 'auto', 'model', 'prior' or a number"),
        ({"scoring": "acuracy"}, ValueError, r"`scoring` must be .*got 'acuracy'"),
        ({"scoring": 3}, TypeError, "`scoring` must be"),
        ({"level": "sample"}, ValueError, "`level` must be 'dataset' or 'row'"),
        ({"scale": "big"}, ValueError, "`scale` must be 'plain' or 'size'"),
        ({"scale": "size"}, ValueError, "pass `level='row'`"),
        ({"n_orders": 5}, ValueError, "`n_orders` must be 'auto' or an even integer"),
        ({"level": "row", "n_orders": 4}, ValueError, "Leave it at 'auto'"),
        (
            {"level": "row", "scoring": "roc_auc"},
            ValueError,
            "`scoring` must have a value for every",
        ),
        ({"y": np.zeros(3)}, ValueError, "`y` must have one target a row"),
        ({"sample_weight": np.ones(3)}, ValueError, "`sample_weight` must have one weight a row"),
        ({"sample_weight": np.zeros(120)}, ValueError, "`sample_weight` must hold finite"),
        ({"groups": np.zeros(120)}, ValueError, "`groups` has a single group"),
        ({"groups": np.zeros(3)}, ValueError, "`groups` has 3 values for 120"),
        ({"background": np.zeros((4, 9))}, ValueError, "`background` must have the 5 columns"),
        ({"modalities": {"face": [0], "rest": [0, 1]}}, ValueError, "column 0 to both"),
        ({"modalities": None}, ValueError, "`modalities` must name the columns"),
        ({"estimator": LogisticRegression}, TypeError, "`estimator` must be a fitted estimator"),
        ({"estimator": object()}, TypeError, "without `predict`"),
    ],
)
def test_bad_input_is_named_with_its_remedy(linear, table, change, error, message):
    given = {
        "estimator": linear,
        "X": table.X_test,
        "y": table.y_test,
        "modalities": {"face": [0, 1], "gait": [2, 3], "voice": [4]},
        **change,
    }
    with pytest.raises(error, match=message):
        modality_contributions(**given)


def test_scorer_without_weights_is_named(linear, table):
    def scorer(estimator, X, y):
        return 0.0

    options = {"modalities": table.columns, "sample_weight": np.ones(120)}
    for scoring in (scorer, make_scorer(lambda y, z: 0.0)):
        with pytest.raises(TypeError, match=r"`sample_weight` was given.*does not take it"):
            modality_contributions(linear, table.X_test, table.y_test, scoring=scoring, **options)
    for scoring in ("roc_auc", make_scorer(median_absolute_error), make_scorer(roc_auc_score)):
        modality_contributions(
            linear, table.X_test, table.y_test, scoring=scoring, n_bootstrap=0, **options
        )


def test_background_of_another_shape_is_named(problem):
    model = Alone("face")
    with pytest.raises(ValueError, match=r"`background` must have the modalities of `X`"):
        modality_contributions(
            model, problem.X_test, problem.y_test, background=problem.X.select(["face"])
        )
    other = Modalities({**problem.X, "face": np.zeros((120, 3))})
    with pytest.raises(ValueError, match=r"`background` modality 'face' has shape \(3,\)"):
        modality_contributions(model, problem.X_test, problem.y_test, background=other)


def test_native_removal_of_an_estimator_that_cannot_do_without_says_so(problem, linear, table):
    ours = MultimodalClassifier(max_epochs=1, random_state=0).fit(problem.X, problem.y)
    for model, X, columns in (
        (ours, problem.X_test, None),
        (linear, table.X_test, table.columns),
    ):
        with pytest.raises(ValueError, match=r"`removal='native'` needs.*missing='mask'"):
            modality_contributions(model, X, problem.y_test, removal="native", modalities=columns)


def test_nan_that_an_estimator_answers_is_not_scored(problem):
    class Mean:
        def predict(self, X):
            return X["face"].sum(axis=1)

    with pytest.raises(ValueError, match=r"gives NaN by `predict`.*`removal`"):
        modality_contributions(
            Mean(), problem.X_test, problem.X_test["face"][:, 0], removal="native", empty="model"
        )


def test_report_says_what_it_is_of(linear, table):
    found = modality_contributions(
        linear, table.X_test, table.y_test, modalities=table.columns, random_state=0
    )
    text = repr(found)
    for part in ("accuracy of LogisticRegression on 120 rows", '"permute"', "5 draws", "face"):
        assert part in text
    assert text.index("face") < text.index("voice") < text.index("gait")  # the largest first
    assert "<table" in found._repr_html_()
    assert "face+gait" in repr(found.coalitions)
    with pytest.raises(ValueError, match="`modalities` has \\['iris'\\]"):
        found.coalitions.score_of(["iris"])


class Column:
    """Predicts a column, of what is there of each modality."""

    def predict(self, X):
        return sum(np.nan_to_num(np.asarray(value)[:, :1]) for _, value in sorted(X.items()))


def test_a_column_of_targets_and_of_predictions_is_a_list_of_them(problem):
    face = np.where(np.arange(120)[:, None] < 30, np.nan, problem.X_test["face"])
    X = {"face": face, "voice": problem.X_test["voice"]}
    y = np.nan_to_num(face[:, 0]) + X["voice"][:, 0]
    options = {"removal": "native", "n_bootstrap": 0, "scoring": "neg_mean_absolute_error"}
    found = coalition_scores(Column(), X, y[:, None], empty="prior", **options)
    # rows without a face get the mean of what is scored
    alone = np.where(np.arange(120) < 30, y.mean(), np.nan_to_num(face[:, 0]))
    assert found.score_of(["face"]) == pytest.approx(-np.abs(alone - y).mean())
    assert found.score_of(["face", "voice"]) == 0


@pytest.fixture(scope="module")
def several(table):
    """A forest of two labels, which stands NaN, and rows of which some lack the face."""
    rng = np.random.default_rng(0)
    X = np.where(rng.random(table.X.shape) < 0.1, np.nan, table.X)
    labels = np.column_stack([table.y, table.X[:, 4] > 0]).astype(int)
    X_test = table.X_test.copy()
    X_test[:40, :2] = np.nan
    forest = RandomForestClassifier(4, max_depth=3, random_state=0).fit(X, labels)
    return forest, X_test, np.column_stack([table.y_test, table.X_test[:, 4] > 0]).astype(int)


def brier(estimator, X, y):
    first, second = estimator.predict_proba(X)
    return -np.mean((first[:, 1] - y[:, 0]) ** 2 + (second[:, 1] - y[:, 1]) ** 2)


def test_probabilities_of_several_labels_reach_an_own_scorer_as_the_forest_gives_them(
    several, table
):
    forest, X, y = several
    found = coalition_scores(
        forest, X, y, modalities=table.columns, scoring=brier, removal="zero", n_bootstrap=3
    )
    only_face = np.where(np.arange(5) < 2, X, 0.0)
    assert found.score_of(["face"]) == pytest.approx(brier(forest, only_face, y))
    assert np.isfinite(found.replicates).all()


def test_lists_of_probabilities_cannot_be_completed_by_the_prior(several, table):
    options = {"modalities": table.columns, "removal": "native", "n_bootstrap": 0}
    with pytest.raises(TypeError, match=r"`predict_proba` gives a list of arrays.*empty='model'"):
        coalition_scores(*several, scoring="roc_auc", empty="prior", **options)
    found = coalition_scores(*several, scoring="roc_auc", empty="model", **options)
    assert found.score_of(["face", "gait", "voice"]) > 0.8


def test_labels_of_many_classes_have_a_prior_of_predictions_alone(several, table):
    forest, X, y = several
    options = {"modalities": table.columns, "removal": "zero", "empty": "prior", "n_bootstrap": 0}

    def right(estimator, X, y):
        return float((estimator.predict(X) == y).mean())

    found = coalition_scores(forest, X, y + 1, scoring=right, **options)
    tops = np.array([np.bincount(column).argmax() for column in (y + 1).T])
    assert found.score_of([]) == (tops == y + 1).mean()
    with pytest.raises(TypeError, match=r"no constant answer of `predict_proba`.*empty='model'"):
        coalition_scores(forest, X, y + 1, scoring=brier, **options)


def test_own_scorer_may_ask_about_rows_of_its_own(linear, table):
    anchor = table.X[:7]

    def scorer(estimator, X, y):
        assert not hasattr(estimator, "__array__")
        np.testing.assert_array_equal(estimator.predict(anchor), linear.predict(anchor))
        return float((estimator.predict(X) == y).mean())

    options = {"modalities": table.columns, "removal": "zero", "n_bootstrap": 0}
    given = (linear, table.X_test, table.y_test)
    own = coalition_scores(*given, scoring=scorer, **options)
    np.testing.assert_allclose(own.scores, coalition_scores(*given, **options).scores)


def test_an_error_of_a_weighted_scorer_is_passed_on(linear, table):
    def scorer(estimator, X, y, sample_weight=None):
        raise TypeError("of its own")

    with pytest.raises(TypeError, match=r"^of its own$"):
        modality_contributions(
            linear,
            table.X_test,
            table.y_test,
            modalities=table.columns,
            scoring=scorer,
            sample_weight=np.ones(120),
        )


def test_what_removed_values_come_from_may_be_other_rows(problem, linear, table):
    options = {"removal": "mean", "n_bootstrap": 0}
    for given, other, columns in (
        ((linear, table.X_test, table.y_test), table.X, table.columns),
        ((Alone("face"), problem.X_test, problem.y_test), problem.X, None),
    ):
        own, same, others = (
            coalition_scores(*given, modalities=columns, background=background, **options)
            for background in (None, given[1], other)
        )
        np.testing.assert_array_equal(own.scores, same.scores)
        none = dict(zip(problem.X.names, [m.mean(0) for m in problem.X.values()], strict=True))
        mean = np.concatenate(list(none.values())) if columns else None
        answer = linear.predict(mean[None])[0] if columns else int(none["face"][0] > 0)
        expected = np.mean(problem.y_test == answer)
        assert others.score_of([]) == expected
