"""What holds of every balancing method, found by itself among the public names."""

import pickle
import re

import numpy as np
import pytest
import torch
from sklearn import config_context
from sklearn.base import clone, is_classifier
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.utils import get_tags
from sklearn.utils._param_validation import InvalidParameterError
from skorch.callbacks import Callback

from sk_mmbalance import (
    DataRemixingClassifier,
    FedAvgClassifier,
    Modalities,
    MultimodalClassifier,
    MultimodalRegressor,
    NegativeLearningClassifier,
    SustainedBoostingClassifier,
    balancing,
)
from sk_mmbalance.balancing import (
    AGM,
    CML,
    DGL,
    LFM,
    MBSD,
    MCR,
    MIDAS,
    MLA,
    OGM,
    OPM,
    PMR,
    UMT,
    AMCo,
    Balancing,
    DataRemixing,
    GradientBlending,
    Greedy,
    Independent,
    MMCosine,
    MMPareto,
    ModalityDropout,
    NegativeLearning,
    Priority,
    ReconBoost,
    Relearning,
    SustainedBoosting,
    Valuation,
)
from sk_mmbalance.modalities import check_modalities
from sk_mmbalance.networks import FUSIONS

from .._checks import assert_all_checks_pass
from .conftest import FAST, blobs, fit, same_weights, with_missing

VALUES = {
    "AGM": AGM(),
    "AMCo": AMCo(ramp_epochs=2),
    "CML": CML(),
    "DGL": DGL(),
    "DataRemixing": DataRemixing(start_epoch=1),
    "GradientBlending": GradientBlending(every=1, validation_fraction=0.2),
    "Greedy": Greedy(),
    "Independent": Independent(),
    "LFM": LFM(),
    "MBSD": MBSD(),
    "MCR": MCR(),
    "MIDAS": MIDAS(),
    "MLA": MLA(),
    "MMCosine": MMCosine(),
    "MMPareto": MMPareto(),
    "ModalityDropout": ModalityDropout(),
    "NegativeLearning": NegativeLearning(),
    "OGM": OGM(),
    "OPM": OPM(start_epoch=1, drop_probability=1.0),
    "PMR": PMR(),
    "ReconBoost": ReconBoost(),
    "Priority": Priority(start_epoch=1),
    "Relearning": Relearning(every=1, n_resets=1),
    "SustainedBoosting": SustainedBoosting(check_every=1),
    "UMT": UMT(),
    "Valuation": Valuation(start_epoch=1),
}

#: In the form in which rows that stand twice fare as one of weight 2, where there is another.
FOR_TWINS = {
    **VALUES,
    "MCR": MCR(n_permutations="all"),  # partners are drawn row by row
    "MIDAS": MIDAS(pairs="all"),
    "ModalityDropout": ModalityDropout(unit="batch"),  # twins would lose different modalities
    "OPM": OPM(start_epoch=1, unit="batch"),
    "Valuation": Valuation(start_epoch=1, max_copies=1),  # copies that fit into one batch
}

every_value = pytest.mark.parametrize(
    "value", [pytest.param(value, id=name) for name, value in VALUES.items()]
)

# Small sets remix unequally, which these tests are not about.
pytestmark = pytest.mark.filterwarnings("ignore::sk_mmbalance.exceptions.CollapseWarning")


def test_every_method_of_the_room_is_tested_here():
    assert set(VALUES) == set(balancing.__all__) - {"Balancing"}


@every_value
def test_a_value_is_an_object_with_parameters_alone(value):
    assert isinstance(value, Balancing)
    assert not hasattr(value, "fit")
    assert type(value)().get_params().keys() == value.get_params().keys()
    assert type(value)._parameter_constraints.keys() == value.get_params().keys()
    assert clone(value).get_params() == value.get_params()
    assert repr(value).startswith(type(value).__name__)
    assert isinstance(type(value).published(), type(value))


@every_value
def test_a_fit_changes_no_value_and_shares_no_state(value):
    X, y = blobs(n=60)
    held = clone(value)
    before = dict(vars(held))
    first = fit(held, X, y)
    assert vars(held) == before
    assert first.net_.methods[-1] is not held
    assert same_weights(first, fit(held, X, y))


@every_value
def test_pickles_and_copies_of_the_estimator_predict_and_go_on_alike(value):
    X, y = blobs(n=60)
    clf = fit(value, X, y)
    other = pickle.loads(pickle.dumps(clf))
    assert np.array_equal(other.predict_proba(X), clf.predict_proba(X))
    assert same_weights(other.partial_fit(X, y), clf.partial_fit(X, y))


@every_value
def test_warm_start_equals_one_longer_fit(value):
    X, y = blobs(n=60)
    steps = fit(value, X, y, warm_start=True, max_epochs=2)
    steps.set_params(max_epochs=2).fit(X, y)
    whole = fit(value, X, y, max_epochs=4)
    assert steps.n_iter_ == whole.n_iter_ == 4
    # teachers have as many epochs as the first call, a weight falls over those of each call
    if not isinstance(value, UMT | LFM):
        assert same_weights(steps, whole)


@every_value
def test_names_of_modalities_change_nothing_but_the_order_they_stand_in(value):
    if isinstance(value, SustainedBoosting):
        pytest.skip("new heads are drawn by the name of their modality")
    X, y = blobs(n=60)
    other = Modalities(x_face=X["face"], y_voice=X["voice"])
    ours, theirs = fit(value, X, y), fit(value, other, y)
    assert np.array_equal(ours.predict_proba(X), theirs.predict_proba(other))


@every_value
def test_what_stands_in_absent_rows_changes_no_bit(value):
    X, y = blobs(n=60)
    holes, _ = with_missing(X)
    clf = fit(value, holes, y, missing="mask")

    class Loud(MultimodalClassifier):
        def _prepare(self, given, *args, **kwargs):
            for k, name in enumerate(given.checked.names):
                values = given.checked.arrays[name]
                values.setflags(write=True)
                values[~given.checked.present[:, k]] = 1e30
            return super()._prepare(given, *args, **kwargs)

    loud = Loud(**clf.get_params(deep=False)).fit({m: np.array(holes[m]) for m in holes}, y)
    assert same_weights(clf, loud)
    assert np.isfinite(clf.predict_proba(holes)).all()


@every_value
def test_weight_two_equals_the_row_twice_in_one_batch(value):
    if isinstance(value, DataRemixing):
        pytest.skip("a row that stands twice may go to two batches")
    value = clone(FOR_TWINS[type(value).__name__])
    if isinstance(value, OGM):
        value.set_params(noise=False)  # drawn anew for another batch
    X, y = blobs(n=40)
    settings = {"batch_size": 200, "max_epochs": 3}
    weight = np.where(np.arange(40) % 3 == 0, 2.0, 1.0)
    rows = np.concatenate([np.arange(40), np.flatnonzero(weight == 2)])
    weighted = fit(value, X, y, sample_weight=weight, **settings)
    twice = fit(value, X[rows], y[rows], **settings)
    np.testing.assert_allclose(weighted.predict_proba(X), twice.predict_proba(X), rtol=1e-6)


@every_value
def test_weights_files_carry_what_the_method_keeps(value, tmp_path):
    X, y = blobs(n=60)
    clf = fit(value, X, y)
    clf.save_weights(tmp_path / "net.safetensors")
    loaded = clone(clf).load_weights(tmp_path / "net.safetensors")
    assert np.array_equal(loaded.predict_proba(X), clf.predict_proba(X))
    ours, theirs = (c.net_.network.running.state_dict() for c in (clf, loaded))
    assert all(torch.equal(ours[key], theirs[key]) for key in ours)


@every_value
def test_remixing_composes_with_every_other_method(value):
    X, y = blobs(n=60)
    clf = MultimodalClassifier(**{**FAST, "max_epochs": 4}, balancing=value, remix_after=2)
    if isinstance(value, DataRemixing):
        with pytest.raises(ValueError, match=r"`remix_after` and `balancing` DataRemixing\(\)"):
            clf.fit(X, y)
        return
    clf.fit(X, y)
    assert clf.history_["remixed"].tolist() == [False, False, True, False]
    early = fit(value, X, y, max_epochs=2, **({"remix_after": 9}))
    assert same_weights(early, fit(value, X, y, max_epochs=2))


@every_value
def test_early_stopping_goes_back_to_the_best_epoch(value):
    X, y = blobs(n=90)
    states = []

    class Keep(Callback):
        def on_epoch_end(self, net, **kwargs):
            states.append({k: v.clone() for k, v in net.module_.state_dict().items()})

    params = {"early_stopping": True, "n_iter_no_change": 2, "max_epochs": 8, "lr": 0.1}
    clf = fit(value, X, y, callbacks=[Keep()], **params)
    best, now = states[clf.history_["valid_loss"].argmin()], clf.net_.module_.state_dict()
    assert best.keys() == now.keys()
    assert all(torch.equal(best[key], now[key]) for key in now)


@every_value
def test_control_is_parameters_of_the_estimator(value):
    X, y = blobs(n=60)
    clf = MultimodalClassifier(**FAST, balancing=value)
    control = clone(clf).set_params(**value.control()).fit(X, y)
    assert set(value.control()) <= set(clf.get_params(deep=False))
    assert control.score(X, y) > 0.4


@every_value
def test_one_modality_is_plain_training(value):
    if isinstance(value, MLA | MMCosine | SustainedBoosting | DataRemixing):
        pytest.skip("the fusion or the losses are the method's own")
    X, y = blobs(n=60, dims={"face": (5,)})
    clf = fit(value, X, y)
    fusion, weight = type(clf.net_.network.fusion), clf.net_.unimodal_weight
    assert same_weights(clf, fit(None, X, y, fusion=fusion, unimodal_weight=weight))


@every_value
@pytest.mark.parametrize("fusion", sorted(FUSIONS))
def test_every_fusion_of_rows_that_lack_modalities_is_balanced_or_refused(value, fusion):
    X, y = blobs(n=48, dims={"a": (4,), "b": (3,), "c": (2,)})
    holes, _ = with_missing(X)
    try:
        clf = fit(value, holes, y, missing="mask", fusion=fusion, max_epochs=2)
    except ValueError as error:
        refused = str(error)
    else:
        assert np.isfinite(clf.predict_proba(holes)).all()
        return
    assert re.match(rf"`balancing` {type(value).__name__}\(\) needs ", refused)
    assert "usion" in refused


@every_value
def test_outside_its_window_a_method_does_nothing(value):
    if "stop_epoch" not in value.get_params() or isinstance(value, Greedy):
        pytest.skip("has no window, or has losses besides")
    X, y = blobs(n=60)
    clf = fit(clone(value).set_params(start_epoch=0, stop_epoch=0), X, y)
    fusion, weight = type(clf.net_.network.fusion), clf.net_.unimodal_weight
    assert same_weights(clf, fit(None, X, y, fusion=fusion, unimodal_weight=weight))


@every_value
def test_numbers_are_learnt_or_refused(value):
    X, y = blobs(n=60)
    reg, refused = MultimodalRegressor(**FAST, balancing=value), ""
    try:
        assert np.isfinite(reg.fit(X, y.astype(float)).predict(X)).all()
    except ValueError as error:
        refused = str(error)
    assert not refused or "`y` holds numbers" in refused


# -- presets -----------------------------------------------------------------------------------

PRESETS = [
    (NegativeLearning(start_epoch=1), NegativeLearningClassifier(warmup_epochs=1)),
    (SustainedBoosting(check_every=1), SustainedBoostingClassifier(check_every=1)),
    (DataRemixing(start_epoch=1), DataRemixingClassifier(remix_after=1)),
]


@pytest.mark.parametrize(("value", "preset"), PRESETS)
def test_value_and_preset_are_the_same_bit_for_bit(value, preset):
    X, y = blobs(n=90)
    ours, theirs = fit(value, X, y), clone(preset).set_params(**FAST).fit(X, y)
    assert same_weights(ours, theirs)
    assert np.array_equal(ours.predict_proba(X), theirs.predict_proba(X))
    assert ours.history_.drop(columns="seconds").equals(theirs.history_.drop(columns="seconds"))
    for name, said in (ours.balancing_ or {}).items():
        assert str(getattr(theirs, f"{name}_")) == str(said)


@pytest.mark.parametrize(("value", "preset"), PRESETS)
def test_presets_take_fields_constraints_and_descriptions_from_the_value(value, preset):
    called = type(preset)._called
    for name, default in type(value)().get_params().items():
        flat = called.get(name, name)
        assert type(preset)().get_params()[flat] == default
        assert f"\n{flat} : " in type(preset).__doc__
        assert flat in type(preset)._parameter_constraints


# -- a method of one's own ---------------------------------------------------------------------


class Faint(Balancing):
    """Scales the embeddings of one modality while training."""

    def forward(self, net, batch, unimodal):
        X, _ = batch
        embeddings = net.network.encode(X["inputs"], X.get("present"))
        embeddings["face"] = self.factor * embeddings["face"]
        return net.network.fuse(embeddings, X.get("present"), unimodal)


class Plainly(Balancing):
    """Computes gradients as the net does."""

    def gradients(self, net, batch):
        X, y = batch
        output = net.infer(X)
        loss = net.get_loss(output, y, X=X, training=True)
        loss.backward()
        return {"loss": loss, "y_pred": output}


def test_hooks_of_a_method_of_ones_own_are_asked():
    X, y = blobs(n=60)
    plain = fit(None, X, y)
    Faint.factor = 1.0
    assert same_weights(fit(Faint(), X, y), plain)
    Faint.factor = 0.1
    assert not same_weights(fit(Faint(), X, y), plain)
    assert same_weights(fit(Plainly(), X, y), plain)


# -- searches and nested parameters ------------------------------------------------------------


def test_list_of_grids_searches_over_methods_and_their_parameters():
    X, y = blobs(n=60)
    grids = [{"balancing": [None, MLA()]}, {"balancing": [OGM()], "balancing__alpha": [0.1, 0.8]}]
    search = GridSearchCV(MultimodalClassifier(**FAST), grids, cv=2, error_score="raise").fit(X, y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert len(search.cv_results_["params"]) == 4
    assert is_classifier(search)


def test_nested_parameters_of_none_say_what_to_do():
    clf = MultimodalClassifier()
    with pytest.raises(ValueError, match="`balancing` is None, which has no parameters"):
        clf.set_params(balancing__alpha=0.1)
    clf.set_params(balancing=OGM(), balancing__alpha=0.1)
    assert clf.get_params()["balancing__alpha"] == 0.1
    with pytest.raises(ValueError, match="`balancing` is None"):
        clf.set_params(balancing=None, balancing__alpha=0.1)
    assert clf.set_params(balancing=None).balancing is None


def test_bad_parameters_of_a_value_are_refused_before_anything_is_read():
    clf = MultimodalClassifier(balancing=OGM(alpha=-1))
    with pytest.raises(InvalidParameterError, match="The 'alpha' parameter of OGM"):
        clf.fit(None, None)
    with pytest.raises(InvalidParameterError, match="The 'balancing' parameter"):
        MultimodalClassifier(balancing="OGM").fit(None, None)
    with pytest.raises(NotFittedError):
        clf.predict({"a": np.zeros((2, 2))})


def test_estimator_with_a_value_shows_itself_and_takes_requests():
    clf = MultimodalClassifier(balancing=OGM(alpha=0.7))
    with config_context(enable_metadata_routing=True):
        clf.set_fit_request(sample_weight=True)
        requests = clf.get_metadata_routing().fit.requests
    assert requests["sample_weight"] is True
    assert "alpha" not in requests
    assert "OGM(alpha=0.7)" in repr(clf)
    assert "OGM" in clf._repr_html_()


def test_auto_is_what_the_method_asks_for_and_the_plain_default_without():
    X, y = blobs(n=60)
    plain = fit(None, X, y)
    assert same_weights(plain, fit(None, X, y, fusion="concat", unimodal_weight=1.0))
    value = NegativeLearning()
    assert same_weights(fit(value, X, y), fit(value, X, y, fusion="late", unimodal_weight=1.0))


@every_value
def test_tag_of_several_labels_is_that_of_the_method(value):
    X, y = blobs(n=60)
    clf = MultimodalClassifier(**FAST, balancing=value)
    labels = np.stack([y == 0, y < 2], axis=1).astype(int)
    if get_tags(clf).classifier_tags.multi_label:
        assert clf.fit(X, labels).predict(X).shape == (60, 2)
    else:
        with pytest.raises(ValueError, match="`y` holds labels"):
            clf.fit(X, labels)


def test_federated_estimators_take_no_method():
    assert "balancing" not in FedAvgClassifier().get_params()
    assert "remix_after" not in FedAvgClassifier().get_params()


# -- scikit-learn's own checks -----------------------------------------------------------------

QUICK = {"hidden_layer_sizes": (8,), "embedding_dim": 8, "max_epochs": 30, "batch_size": 64}


class Halves(MultimodalClassifier):
    """Takes the first half of a flat table's columns for one modality, the rest for another."""

    def _read_modalities(self, X, *, reset, accept_sparse=False, spec=None, **options):
        spec = self._input_spec if spec is None and not reset else spec
        shape = X.shape if hasattr(X, "shape") else np.asarray(X).shape
        blocks = None
        if len(shape) == 2 and shape[1] > 1:
            half = shape[1] // 2
            blocks = {"a": slice(0, half), "b": slice(half, shape[1])}
        if spec is not None and len(spec.names) > 1:
            half = len(spec.columns["a"])
            blocks = {"a": slice(0, half), "b": slice(half, spec.n_features_in)}
        return check_modalities(
            X,
            estimator=self,
            spec=spec,
            modalities=blocks,
            missing=self.missing,
            accept_sparse=accept_sparse,
            **options,
        )


PRESET = {"DataRemixing", "NegativeLearning", "SustainedBoosting"}  # checked as estimators
CHECKED = pytest.mark.parametrize(
    "value",
    [value for name, value in FOR_TWINS.items() if name not in PRESET],
    ids=repr,
)


def quick(cls, value):
    """An estimator that is checked in a moment."""
    batch = {"batch_size": 256} if isinstance(value, Valuation) else {}  # for the copies, too
    return cls(**{**QUICK, **batch}, lr=0.02, balancing=value)


@pytest.mark.slow
@CHECKED
def test_all_checks_of_scikit_learn_pass(value):
    assert_all_checks_pass(quick(MultimodalClassifier, value))


@pytest.mark.slow
@CHECKED
def test_all_checks_of_scikit_learn_pass_where_the_method_acts(value):
    assert_all_checks_pass(quick(Halves, value))
