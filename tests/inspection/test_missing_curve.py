"""How the score falls as modalities go missing."""

from itertools import pairwise

import numpy as np
import pytest

from sk_mmbalance import LateFusionClassifier, Modalities
from sk_mmbalance.inspection import missing_modality_curve


class Recorder:
    """Keeps what it was asked about; right where face is there, else says 0."""

    def __init__(self):
        self.seen = []

    def predict(self, X):
        self.seen.append({name: np.isnan(value[:, 0]) for name, value in X.items()})
        return (np.nan_to_num(X["face"][:, 0]) > 0) * 1


@pytest.fixture
def rows():
    rng = np.random.default_rng(0)
    X = {"face": rng.normal(size=(200, 1)), "voice": rng.normal(size=(200, 1))}
    return X, (X["face"][:, 0] > 0) * 1


@pytest.fixture(scope="module")
def model(problem):
    return LateFusionClassifier(missing="mask").fit(problem.X, problem.y)


def test_rate_nought_is_the_plain_score_and_the_curve_falls(model, problem):
    for removal in ("native", "permute", "zero"):
        curve = missing_modality_curve(
            model, problem.X_test, problem.y_test, removal=removal, random_state=0
        )
        assert curve.table.loc[0.0, "score"] == model.score(problem.X_test, problem.y_test)
        assert curve.table.loc[0.0, "std"] == 0
        assert curve.table.loc[0.5, "score"] < curve.table.loc[0.0, "score"] - 0.03
        assert curve.table["min"].le(curve.table["score"]).all()
        assert curve.draws.shape == (6, 5)


def test_what_is_missing_at_a_rate_is_missing_at_every_higher_one(rows):
    recorder = Recorder()
    missing_modality_curve(
        recorder, *rows, rates=[0, 0.3, 0.6, 0.9], removal="native", n_repeats=2, random_state=0
    )
    for draw in range(2):
        masks = recorder.seen[4 * draw : 4 * draw + 4]
        for less, more in pairwise(masks):
            for name in ("face", "voice"):
                assert not (less[name] & ~more[name]).any()
        assert (masks[0]["face"] != masks[3]["face"]).any()
    assert (recorder.seen[1]["face"] != recorder.seen[5]["face"]).any()


def test_a_row_keeps_one_modality_unless_it_may_lose_all(rows):
    recorder = Recorder()
    kept = missing_modality_curve(
        recorder, *rows, rates=[0, 1], removal="native", n_repeats=1, random_state=0
    )
    gone = recorder.seen[-1]
    assert (gone["face"] ^ gone["voice"]).all()
    assert kept.table.loc[1.0, "removed"] == 0.5
    lost = missing_modality_curve(
        recorder,
        *rows,
        rates=[0, 1],
        removal="native",
        n_repeats=1,
        allow_empty=True,
        random_state=0,
    )
    assert lost.table.loc[1.0, "removed"] == 1
    prior = max(rows[1].mean(), 1 - rows[1].mean())
    assert lost.table.loc[1.0, "score"] == pytest.approx(prior)


def test_rows_that_lack_a_modality_already_keep_the_other(rows):
    X, y = rows
    X["voice"][:80] = np.nan
    recorder = Recorder()
    missing_modality_curve(
        recorder, X, y, rates=[0.9], removal="native", n_repeats=1, random_state=0
    )
    gone = recorder.seen[-1]
    assert gone["voice"][:80].all()
    assert not gone["face"][:80].any()


def test_named_modality_alone_goes_missing(rows):
    recorder = Recorder()
    curve = missing_modality_curve(
        recorder,
        *rows,
        rates=[0, 0.4, 1],
        pattern="voice",
        removal="native",
        n_repeats=3,
        random_state=0,
    )
    assert not any(seen["face"].any() for seen in recorder.seen)
    assert curve.table["score"].tolist() == [1, 1, 1]  # nobody listens to the voice
    assert curve.table["removed"].tolist() == pytest.approx([0, 0.4, 1], abs=0.05)
    face = missing_modality_curve(
        recorder, *rows, rates=[0, 1], pattern="face", removal="native", random_state=0
    )
    assert face.table.loc[1.0, "score"] == pytest.approx(1 - rows[1].mean())
    assert "'face' go missing" in repr(face)


def test_area_is_the_mean_score_over_the_range_of_rates(rows):
    curve = missing_modality_curve(
        Recorder(), *rows, rates=[0, 0.2, 1.0], removal="zero", random_state=0
    )
    a, b, c = curve.table["score"]
    assert curve.area == pytest.approx((a + b) / 2 * 0.2 + (b + c) / 2 * 0.8)
    single = missing_modality_curve(Recorder(), *rows, rates=[0.2], removal="zero")
    assert np.isnan(single.area)


def test_weights_count_and_the_seed_decides(model, problem):
    options = {"removal": "native", "random_state": 3}
    first = missing_modality_curve(model, problem.X_test, problem.y_test, **options)
    again = missing_modality_curve(model, problem.X_test, problem.y_test, **options)
    assert first.table.equals(again.table)
    weights = np.where(problem.y_test == 1, 2.0, 0.5)
    heavy = missing_modality_curve(
        model, problem.X_test, problem.y_test, sample_weight=weights, **options
    )
    expected = model.score(problem.X_test, problem.y_test, sample_weight=weights)
    assert heavy.table.loc[0.0, "score"] == pytest.approx(expected)
    assert "<table" in first._repr_html_()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rates": [0, 1.5]}, "`rates` must be a list of numbers from 0 to 1"),
        ({"rates": []}, "`rates` must be a list"),
        ({"rates": 0.5}, "`rates` must be a list"),
        ({"rates": [0.5, 0.1]}, "`rates` must grow"),
        ({"pattern": "nose"}, "`pattern` must be 'random' or one of"),
    ],
)
def test_bad_parameters_are_named(rows, change, message):
    with pytest.raises(ValueError, match=message):
        missing_modality_curve(Recorder(), *rows, **change)


def test_single_modality_cannot_go_missing_by_default(rows):
    X, y = rows
    one = Modalities(face=X["face"])
    with pytest.raises(ValueError, match=r"single modality.*`allow_empty=True`"):
        missing_modality_curve(Recorder(), one, y)
    curve = missing_modality_curve(Recorder(), one, y, rates=[0, 1], allow_empty=True)
    assert curve.table.loc[1.0, "removed"] == 1
