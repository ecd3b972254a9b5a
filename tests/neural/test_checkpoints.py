"""A fit that was broken off and is called again gives what it would have given undisturbed."""

import errno
import os
import re
import warnings
from functools import cached_property, partial, update_wrapper

import numpy as np
import pytest
import torch
from scipy import sparse
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, KFold
from skorch.callbacks import Callback, LRScheduler, ProgressBar

import sk_mmbalance
from sk_mmbalance import (
    DataRemixingClassifier,
    MultimodalClassifier,
    MultimodalRegressor,
    NegativeLearningClassifier,
    SustainedBoostingClassifier,
)
from sk_mmbalance.balancing import OGM, SustainedBoosting
from sk_mmbalance.exceptions import CheckpointWarning
from sk_mmbalance.model_selection import VectorizedGridSearchCV

from ..balancing.test_values import every_value
from .conftest import blobs

pytestmark = pytest.mark.filterwarnings("ignore::sk_mmbalance.exceptions.CollapseWarning")

#: Epochs that were trained, and after which of them training breaks off. Not attributes of the
#: callback: what belongs to a parameter belongs to the checkpoint's mark.
TRAINED = []
BREAK_AFTER = []


class BrokenOffError(Exception):
    pass


class Breaking(Callback):
    """Breaks off within the end of an epoch, before its checkpoint is written."""

    def on_epoch_end(self, net, **kwargs):
        TRAINED.append(len(net.history))
        if len(net.history) in BREAK_AFTER:
            raise BrokenOffError


SMALL = {
    "hidden_layer_sizes": (3,),
    "embedding_dim": 3,
    "max_epochs": 3,
    "batch_size": 16,
    "lr": 0.02,
    "random_state": 0,
    "callbacks": [Breaking()],
}
STOPPING = {"early_stopping": True, "n_iter_no_change": 1}
X, y = blobs(n=50)

FITS = {
    "joint": MultimodalClassifier(dropout=0.3, lr_schedule="plateau", **STOPPING, **SMALL),
    "balanced, weights fitted over folds": MultimodalClassifier(
        balancing=OGM(), fusion_weights="fit", cv=2, early_stopping=False, **SMALL
    ),
    "regressor": MultimodalRegressor(lr_schedule="cosine", optimizer="sgd", **STOPPING, **SMALL),
    "boosting": SustainedBoostingClassifier(check_every=1, **STOPPING, **SMALL),
    "negative learning": NegativeLearningClassifier(**STOPPING, **SMALL),
    "remixing": DataRemixingClassifier(remix_after=1, **STOPPING, **SMALL),
}


@pytest.fixture(autouse=True)
def _nothing_trained():
    TRAINED.clear()
    BREAK_AFTER.clear()
    yield
    BREAK_AFTER.clear()


def broken_off(estimator, epoch, *args, **kwargs):
    """Fit until the end of an epoch; gives the epochs that were trained."""
    TRAINED.clear()
    BREAK_AFTER[:] = [epoch]
    with pytest.raises(BrokenOffError):
        estimator.fit(*(args or (X, y)), **kwargs)
    BREAK_AFTER.clear()
    return list(TRAINED)


def assert_same_fit(a, b):
    """Whether two fits are equal in all but how long they took."""
    first, second = a.net_.network.state_dict(), b.net_.network.state_dict()
    assert first.keys() == second.keys()
    for key, value in first.items():
        assert torch.equal(value, second[key]), key
    times = ["seconds"]
    assert a.history_.drop(columns=times).equals(b.history_.drop(columns=times))
    if a.fusion_weights_ is not None:
        assert a.fusion_weights_.equals(b.fusion_weights_)
    if hasattr(a, "head_log_"):
        assert a.head_log_.equals(b.head_log_)
    np.testing.assert_array_equal(a.predict(X), b.predict(X))


def assert_goes_on_after_every_epoch(estimator, folder):
    whole = clone(estimator).fit(X, y)
    trained, fit = list(TRAINED), clone(estimator).set_params(checkpoint_dir=folder)
    for epoch in range(1, max(trained) + 1):
        assert broken_off(fit, epoch) == ([epoch] if epoch == 1 else [epoch - 1, epoch])
        assert not hasattr(fit, "net_")
    TRAINED.clear()
    fit.fit(X, y)
    assert trained[max(trained) - 1 :] == TRAINED
    assert_same_fit(fit, whole)
    assert os.listdir(folder) == []


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(
            name, marks=pytest.mark.slow if name in ("negative learning", "remixing") else ()
        )
        for name in FITS
    ],
)
def test_a_fit_goes_on_after_every_epoch_to_the_same_bits(name, tmp_path):
    assert_goes_on_after_every_epoch(FITS[name], tmp_path)


def test_a_fit_broken_off_in_one_of_its_folds_goes_on_there(tmp_path):
    class BreakingLater(Breaking):
        def on_epoch_end(self, net, **kwargs):
            TRAINED.append(len(net.history))
            if len(TRAINED) in BREAK_AFTER:
                raise BrokenOffError

    fit = clone(FITS["balanced, weights fitted over folds"])
    fit.set_params(callbacks=[BreakingLater()], checkpoint_dir=tmp_path)
    assert broken_off(fit, 8) == [1, 2, 3, 1, 2, 3, 1, 2]
    TRAINED.clear()
    fit.fit(X, y)
    assert TRAINED == [2, 3]
    assert list(tmp_path.iterdir()) == []
    assert_same_fit(fit, clone(FITS["balanced, weights fitted over folds"]).fit(X, y))


@pytest.mark.slow
@every_value
def test_every_balancing_method_goes_on_to_the_same_bits(value, tmp_path):
    fit = MultimodalClassifier(balancing=value, dropout=0.2, **STOPPING, **SMALL)
    assert_goes_on_after_every_epoch(fit.set_params(max_epochs=5), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(
    "params",
    [
        {"lr_schedule": LRScheduler("StepLR", step_size=2, event_name="rate"), "amp": True},
        {
            "lr_schedule": LRScheduler(
                torch.optim.lr_scheduler.OneCycleLR,
                max_lr=0.1,
                total_steps=30,
                step_every="batch",
            )
        },
        {"lr_schedule": LRScheduler("LambdaLR", lr_lambda=lambda epoch: 0.9**epoch)},
        {"optimizer": torch.optim.LBFGS, "weight_decay": 0.0, "lr": 0.05},
        {"modality_lr": {"face": 0.1}, "encoding": "normal_scores", "fusion": "transformer"},
        {"balancing": SustainedBoosting(check_every=1), "remix_after": 1},
    ],
)
def test_schedules_and_optimisers_go_on_to_the_same_bits(params, tmp_path):
    fit = MultimodalClassifier(early_stopping=False, dropout=0.2, **SMALL).set_params(**params)
    assert_goes_on_after_every_epoch(fit, tmp_path)


# -- whose it is -------------------------------------------------------------------------------


def test_another_fits_checkpoint_is_never_used(tmp_path):
    params = {**SMALL, "early_stopping": False, "checkpoint_dir": tmp_path}
    fit = MultimodalClassifier(**params)
    broken_off(fit, 2)
    other_X = {**X, "face": X["face"] * (1 + 1e-15)}
    weight = np.ones(len(y))
    weight[-1] = 0.5
    assert broken_off(fit, 1, other_X, y) == [1]
    assert broken_off(fit, 1, X, np.roll(y, 1)) == [1]
    assert broken_off(fit, 1, X, y, sample_weight=weight) == [1]
    for others in (
        {"random_state": 1},
        {"lr": 0.021},
        {"max_epochs": 4},
        {"dropout": 0.1},
        {"balancing": OGM()},
        {"class_weight": "balanced"},
        {"callbacks": [Breaking(), LRScheduler("StepLR", step_size=1)]},
    ):
        assert broken_off(clone(fit).set_params(**others), 1) == [1], others
    assert broken_off(fit, 2) == [2]  # its own is still there
    assert broken_off(clone(fit).set_params(verbose=1), 2) == [2]


def test_validation_rows_and_groups_are_part_of_whose_it_is(tmp_path):
    fit = MultimodalClassifier(checkpoint_dir=tmp_path, **STOPPING, **SMALL)
    fit.set_params(validation_fraction=KFold(2), n_iter_no_change=3)
    broken_off(fit, 2)
    assert broken_off(fit, 1, X, y, X_val=X, y_val=y) == [1]
    fit.set_params(validation_fraction=KFold(2, shuffle=True, random_state=0))
    assert broken_off(fit, 1) == [1]


def test_code_that_was_changed_is_another_fit(tmp_path):
    def backbone_with(factor):
        class Backbone(torch.nn.Linear):
            def __init__(self, input_shape):
                super().__init__(*input_shape, 3)

            def forward(self, x):
                return super().forward(x) * factor

        return Backbone

    fit = MultimodalClassifier(checkpoint_dir=tmp_path, early_stopping=False, **SMALL)
    broken_off(fit.set_params(backbones=backbone_with(1.0)), 2)
    assert broken_off(fit.set_params(backbones=backbone_with(1.0)), 2) == [2]
    assert broken_off(fit.set_params(backbones=backbone_with(2.0)), 1) == [1]


# -- what is damaged, and what cannot be written -----------------------------------------------


def damaged_files(data, n_flips):
    """The file cut short, and with single bits turned, from its beginning to its end."""
    yield b""
    for share in (0.1, 0.5, 0.99):
        yield data[: int(share * len(data))]
    for at in np.linspace(0, len(data) - 1, n_flips).astype(int):
        yield data[:at] + bytes([data[at] ^ 4]) + data[at + 1 :]


@pytest.mark.parametrize("n_flips", [6, pytest.param(120, marks=pytest.mark.slow)])
def test_a_damaged_checkpoint_is_told_and_not_used(n_flips, tmp_path):
    fit = MultimodalClassifier(checkpoint_dir=tmp_path, early_stopping=False, **SMALL)
    broken_off(fit, 2)
    (file,) = tmp_path.iterdir()
    for data in damaged_files(file.read_bytes(), n_flips):
        file.write_bytes(data)
        with pytest.warns(CheckpointWarning, match=f"{file.name}.* is damaged"):
            assert broken_off(fit, 1) == [1]


def test_checkpoints_of_other_versions_and_under_other_names_are_not_used(tmp_path, monkeypatch):
    fit = MultimodalClassifier(checkpoint_dir=tmp_path, early_stopping=False, **SMALL)
    broken_off(fit, 2)
    (file,) = tmp_path.iterdir()
    other = clone(fit).set_params(random_state=1)
    broken_off(other, 2)
    (theirs,) = set(tmp_path.iterdir()) - {file}
    with monkeypatch.context() as patched:
        patched.setattr(sk_mmbalance, "__version__", "0.0.1")
        with pytest.warns(CheckpointWarning, match=r"and this is sk_mmbalance 0\.0\.1"):
            assert broken_off(fit, 1) == [1]
    theirs.replace(file)
    with pytest.warns(CheckpointWarning, match="belongs to another training"):
        assert broken_off(fit, 1) == [1]


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_full_disk_keeps_the_last_checkpoint(call, tmp_path, monkeypatch):
    fit = MultimodalClassifier(checkpoint_dir=tmp_path, early_stopping=False, **SMALL)
    broken_off(fit, 2)
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}

    def full(*args):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, call, full)
        with pytest.warns(CheckpointWarning, match="No space left") as told:
            assert broken_off(fit, 3) == [2, 3]
    assert len(told) == 1
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before
    TRAINED.clear()
    whole = clone(fit).set_params(checkpoint_dir=None).fit(X, y)
    TRAINED.clear()
    assert_same_fit(fit.fit(X, y), whole)
    assert TRAINED == [2, 3]


@pytest.mark.skipif(os.name == "nt", reason="limits of a process")
def test_training_goes_on_where_a_file_may_not_grow(tmp_path):
    resource = pytest.importorskip("resource")
    fit = MultimodalClassifier(checkpoint_dir=tmp_path, early_stopping=False, **SMALL)
    whole = clone(fit).set_params(checkpoint_dir=None).fit(X, y)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    try:
        with pytest.warns(CheckpointWarning, match="Training goes on"):
            fit.fit(X, y)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert_same_fit(fit, whole)
    assert list(tmp_path.iterdir()) == []


# -- beside other parameters -------------------------------------------------------------------


def test_no_checkpoint_without_a_seed_or_a_folder(tmp_path):
    (tmp_path / "file").touch()
    for params, said in (
        ({"random_state": None}, "`checkpoint_dir` needs a `random_state`"),
        ({"checkpoint_dir": tmp_path / "file"}, "`checkpoint_dir` must be a folder"),
        ({"checkpoint_dir": 3}, "'checkpoint_dir' parameter"),
    ):
        fit = MultimodalClassifier(**{**SMALL, "checkpoint_dir": tmp_path, **params})
        with pytest.raises(ValueError, match=said):
            fit.fit(X, y)
    assert TRAINED == []


def test_what_cannot_be_known_again_is_refused_before_training(tmp_path):
    fit = MultimodalClassifier(checkpoint_dir=tmp_path, **SMALL)
    with pytest.raises(TypeError, match="`checkpoint_dir` cannot be had with `cv`"):
        clone(fit).set_params(fusion_weights="fit", cv=KFold(2).split(y)).fit(X, y)

    class Remembering(Breaking):
        def on_train_begin(self, net, **kwargs):
            self.seen_ = iter(range(3))

    for callback in (Remembering(), ProgressBar()):
        trained = len(TRAINED)
        with pytest.raises(
            TypeError, match=f"{type(callback).__name__} in `callbacks`.*state_dict"
        ):
            clone(fit).set_params(callbacks=[Breaking(), callback]).fit(X, y)
        assert len(TRAINED) - trained == (callback.__class__ is ProgressBar)


def test_what_callbacks_remember_goes_on(tmp_path):
    class Counting(Breaking):
        def on_train_begin(self, net, **kwargs):
            self.losses_ = []

        def on_epoch_end(self, net, **kwargs):
            self.losses_.append(net.history[-1, "train_loss"])
            super().on_epoch_end(net, **kwargs)

    fit = MultimodalClassifier(early_stopping=False, **{**SMALL, "callbacks": [Counting()]})
    whole = clone(fit).fit(X, y)
    fit.set_params(checkpoint_dir=tmp_path)
    broken_off(fit, 3)
    fit.fit(X, y)
    found, wanted = (dict(clf.net_.callbacks_)["Counting"].losses_ for clf in (fit, whole))
    assert found == wanted
    assert len(found) == 3


def test_ctrl_c_leaves_a_checkpoint_to_go_on_from(tmp_path):
    class CtrlC(Breaking):
        def on_batch_begin(self, net, **kwargs):
            if len(net.history) in BREAK_AFTER:
                raise KeyboardInterrupt

    fit = MultimodalClassifier(early_stopping=False, **{**SMALL, "callbacks": [CtrlC()]})
    whole = clone(fit).fit(X, y)
    fit.set_params(checkpoint_dir=tmp_path)
    BREAK_AFTER[:] = [3]
    with pytest.raises(KeyboardInterrupt):
        fit.fit(X, y)
    assert fit.n_iter_ == 2
    BREAK_AFTER.clear()
    TRAINED.clear()
    assert_same_fit(fit.fit(X, y), whole)
    assert TRAINED == [3]


def test_warm_start_goes_on_and_partial_fit_writes_nothing(tmp_path):
    fit = MultimodalClassifier(early_stopping=False, warm_start=True, **SMALL).fit(X, y)
    whole, first = fit, clone(fit).set_params(checkpoint_dir=tmp_path).fit(X, y)
    whole.fit(X, y)
    assert broken_off(first, 5) == [4, 5]
    TRAINED.clear()
    assert_same_fit(first.fit(X, y), whole)
    assert TRAINED == [5, 6]
    assert_same_fit(first.partial_fit(X, y), whole.partial_fit(X, y))
    assert list(tmp_path.iterdir()) == []


def test_a_bar_goes_on_where_it_was(tmp_path, capsys):
    fit = MultimodalClassifier(early_stopping=False, verbose=1, checkpoint_dir=tmp_path, **SMALL)
    broken_off(fit, 3)
    capsys.readouterr()
    fit.fit(X, y)
    said = capsys.readouterr()
    assert "3/3" in said.err
    assert "1/3" not in said.err


@pytest.mark.parametrize(
    "search",
    [VectorizedGridSearchCV, pytest.param(partial(GridSearchCV, n_jobs=2), marks=pytest.mark.slow)],
)
def test_searches_take_the_ordinary_way_and_fits_of_one_folder_do_not_collide(search, tmp_path):
    params = {**SMALL, "callbacks": None, "early_stopping": False, "max_epochs": 2}
    grid = {"lr": [0.01, 0.05]}
    plain = GridSearchCV(MultimodalClassifier(**params), grid, cv=2).fit(X, y)
    kept = search(MultimodalClassifier(checkpoint_dir=tmp_path, **params), grid, cv=2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that nothing is trained in stacks
        kept.fit(X, y)
    scores = "mean_test_score"
    np.testing.assert_array_equal(kept.cv_results_[scores], plain.cv_results_[scores])
    assert_same_fit(kept.best_estimator_, plain.best_estimator_)
    assert list(tmp_path.iterdir()) == []


class Holding(Breaking):
    """Has a parameter that decides nothing, but is part of what the fit is."""

    def __init__(self, value):
        self.value = value


def unfilled(number):
    """A function that refers to one that is not made yet."""

    def first():
        return number + second()

    if not number:

        def second():
            return 1

    return first


def with_cached(number):
    class Cached:
        @cached_property
        def number(self):
            return number

    return Cached


MARKED = {
    "a sparse matrix": lambda k: sparse.csr_matrix(np.eye(3) * (k + 1)),
    "its places": lambda k: sparse.coo_matrix(([1.0], ([k], [0])), (3, 3)),
    "a pattern": lambda k: re.compile("ab"[k]),
    "flags": lambda k: re.compile("a", [re.I, re.M][k]),
    "a dtype": lambda k: [torch.float32, torch.float64][k],
    "a dtype of numpy": lambda k: np.dtype(["i4", "f4"][k]),
    "a device": lambda k: torch.device(["cpu", "meta"][k]),
    "a module": lambda k: (lambda module: lambda: module)([re, os][k]),
    "a method": lambda k: KFold(2 + k).split,
    "a builtin": lambda k: [len, max][k],
    "a method of a builtin": lambda k: {"a": k}.get,
    "the generator of a method": lambda k: np.random.RandomState(k).normal,
    "a function of numpy": lambda k: [np.sin, np.minimum][k],
    "objects": lambda k: np.array(["a", None, k], dtype=object),
    "an unfilled function": unfilled,
    "a cached property": with_cached,
    "a partial function": lambda k: partial(np.add, k),
    "a wrapped partial function": lambda k: update_wrapper(partial(unfilled, k), unfilled),
}


@pytest.mark.slow
def test_what_a_parameter_holds_is_part_of_whose_it_is(tmp_path):
    fit = MultimodalClassifier(checkpoint_dir=tmp_path, early_stopping=False, **SMALL)

    def holding(**others):
        values = [make(others.get(what, 0)) for what, make in MARKED.items()]
        return clone(fit).set_params(callbacks=[("own", Holding(values))])

    broken_off(holding(), 2)
    for what in MARKED:
        assert broken_off(holding(**{what: 1}), 1) == [1], what
    assert broken_off(holding(), 2) == [2]  # made anew, it is known again


def test_what_killed_writers_left_goes_with_the_file(tmp_path):
    fit = MultimodalClassifier(checkpoint_dir=tmp_path, early_stopping=False, **SMALL)
    broken_off(fit, 2)
    (file,) = tmp_path.iterdir()
    old, young = (tmp_path / f".{file.name}.{word}.tmp" for word in ("old", "young"))
    for left, time in ((old, 0), (young, 2**40)):
        left.touch()
        os.utime(left, (time, time))
    fit.fit(X, y)
    assert list(tmp_path.iterdir()) == [young]  # another process's, perhaps


def test_a_folder_that_is_not_written_to_is_refused_before_training(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *args: False)
    with pytest.raises(ValueError, match="`checkpoint_dir` must be a folder to write to"):
        MultimodalClassifier(checkpoint_dir=tmp_path, **SMALL).fit(X, y)
    assert TRAINED == []
