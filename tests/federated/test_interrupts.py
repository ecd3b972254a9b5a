"""Ctrl-C at any line: the old fit stays, or the last whole round is there."""

import copy
import sys
from functools import partial

import numpy as np
import pytest

from sk_mmbalance.base import ClassTarget, ModalityEstimator
from sk_mmbalance.federated import CMSFed, FedAvgClassifier, Server

from .conftest import blobs, federation, run, same_state

FAST = {
    "hidden_layer_sizes": (2,),
    "feature_dim": 2,
    "n_rounds": 2,
    "local_epochs": 1,
    "clients_per_round": 2,
}


class CtrlC:
    """Raises KeyboardInterrupt before the line that comes `at`-th in some functions.

    A line that is run again counts once. With ``at=None`` lines are only counted.
    """

    def __init__(self, functions, at=None):
        functions = [getattr(function, "__wrapped__", function) for function in functions]
        self.codes = {function.__code__ for function in functions}
        self.at, self.lines = at, []

    def __enter__(self):
        self.before = sys.gettrace()
        sys.settrace(lambda frame, event, arg: self.line if frame.f_code in self.codes else None)
        return self

    def __exit__(self, *exception):
        sys.settrace(self.before)

    def line(self, frame, event, arg):
        here = frame.f_code, frame.f_lineno
        if event == "line" and here not in self.lines:
            self.lines.append(here)
            if len(self.lines) - 1 == self.at:
                raise KeyboardInterrupt
        return self.line


def n_lines(functions, call):
    """Number of different lines of some functions that a call runs."""
    with CtrlC(functions) as counted:
        call()
    return len(counted.lines)


def interrupt(functions, at, call):
    with pytest.raises(KeyboardInterrupt), CtrlC(functions, at):
        call()


def refit(clf):
    """Fit on other columns, classes and clients than before."""
    X, y = blobs(n=16)
    return clf.fit(X["a"], y + 1, clients=np.arange(16) % 2)


def adopt(clf, new=None):
    """Become what the same fit would make of an estimator."""
    new = new or refit(copy.deepcopy(clf))
    target = ClassTarget(new.classes_)
    return clf._adopt(new.server_, new._memories, new._input_spec, target, new._labels)


@pytest.mark.parametrize(
    ("functions", "call"),
    [
        ([FedAvgClassifier._adopt, ModalityEstimator._become_fitted], adopt),
        ([FedAvgClassifier._run], refit),
    ],
    ids=["adopt", "run"],
)
def test_ctrl_c_leaves_the_old_fit_or_the_new_one(functions, call):
    X, y = blobs(n=16)
    frame = X.to_frame()  # with names of columns, which the new fit has not
    old = FedAvgClassifier(**FAST, random_state=0).fit(frame, y)
    new = refit(copy.deepcopy(old))
    call = partial(adopt, new=new) if call is adopt else call
    expected = old.predict_proba(frame), new.predict_proba(X["a"])
    assert "feature_names_in_" in vars(old)
    assert "feature_names_in_" not in vars(new)
    found = set()
    for at in range(n_lines(functions, lambda: call(copy.copy(old)))):
        clf = copy.copy(old)
        before = dict(vars(clf))
        interrupt(functions, at, lambda clf=clf: call(clf))
        after = vars(clf)
        stayed = all(after.get(key) is value for key, value in before.items())
        found.add(stayed)
        assert after.keys() == vars(old if stayed else new).keys()
        assert clf.classes_.tolist() == ([0, 1, 2] if stayed else [1, 2, 3])
        assert clf.clients_.tolist() == ([0] if stayed else [0, 1])
        assert clf.n_rounds_ == len(clf.history_) == len(clf.plan_)
        given = frame if stayed else X["a"]
        np.testing.assert_array_equal(clf.predict_proba(given), expected[0 if stayed else 1])
    assert found == {True, False}


def tables(server):
    """All arrays that CMSFed keeps at the server."""
    kept = server.method_state
    updates = {"joint": kept.joint, "single": kept.single, "prototypes": kept.prototypes}
    named = {
        (what, first, second): value
        for what, table in updates.items()
        for first, row in table.items()
        for second, value in (row.items() if isinstance(row, dict) else enumerate(row))
    }
    return named | {("accuracies", c): list(own.values()) for c, own in kept.accuracies.items()}


def test_ctrl_c_while_the_server_takes_in_a_round_leaves_the_last_whole_one():
    functions = [Server.receive, Server._take_updates, Server._trained, Server._close_round]
    task, shares = federation(n_clients=2, n=16)
    method = CMSFed(**FAST)
    first, engine = run(method, task, shares, n_rounds=1)
    first.resume(first.clients, n_rounds=1)
    first.receive(engine.exchange(first.orders()))
    orders = first.orders()
    answers = engine.exchange(orders)
    second = copy.deepcopy(first)
    second.receive(answers)
    assert second.phase == "evaluate"
    last = engine.exchange(second.orders())
    whole = {1: first, 2: second}

    def finish(server):
        server.receive(answers)
        server.receive(last)

    found = set()
    for at in range(n_lines(functions, lambda: finish(copy.deepcopy(first)))):
        server = copy.deepcopy(first)
        interrupt(functions, at, lambda server=server: finish(server))
        server.settle()
        found.add(server.round)
        assert server.round == len(server.history) == len(server.plans)
        assert {record["round"] for record in server.selection} == set(range(1, server.round + 1))
        assert same_state(server.state, whole[server.round].state)
        assert same_state(tables(server), tables(whole[server.round]))
    assert found == {1, 2}
