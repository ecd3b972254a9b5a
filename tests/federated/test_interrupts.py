"""Ctrl-C at any line: the old fit stays, or the last whole round is there."""

import copy
import inspect
import sys
from contextlib import ExitStack, nullcontext

import numpy as np
import pytest

from sk_mmbalance.base import ModalityEstimator
from sk_mmbalance.federated import CMSFed, FedAvgClassifier, InProcessEngine, Server

from .conftest import blobs, federation, run, same_state

FAST = {
    "hidden_layer_sizes": (2,),
    "feature_dim": 2,
    "n_rounds": 2,
    "local_epochs": 1,
    "clients_per_round": 2,
}


class CtrlC:
    """Raises KeyboardInterrupt before the line that comes `at`-th in the files of some classes.

    A line that is run again counts once. With ``at=None`` lines are only counted.
    """

    def __init__(self, classes, at=None):
        self.files = {inspect.getfile(cls) for cls in classes}
        self.at, self.lines = at, []

    def __enter__(self):
        self.before = sys.gettrace()
        sys.settrace(self.call)
        return self

    def __exit__(self, *exception):
        sys.settrace(self.before)

    def call(self, frame, event, arg):
        return self.line if frame.f_code.co_filename in self.files else None

    def line(self, frame, event, arg):
        here = frame.f_code, frame.f_lineno
        if event == "line" and here not in self.lines:
            self.lines.append(here)
            if len(self.lines) - 1 == self.at:
                raise KeyboardInterrupt
        return self.line


def test_ctrl_c_where_fit_ends_leaves_the_old_fit_or_the_new_one(monkeypatch):
    X, y = blobs(n=16)
    frame = X.to_frame()  # with names of columns, which the new fit has not
    clients = np.arange(16) % 2
    old = FedAvgClassifier(**FAST, random_state=0).fit(frame, y)
    close, traced, ends = InProcessEngine.close, [], ExitStack()

    def closed(engine):
        close(engine)
        ends.enter_context(traced[-1])  # rounds are over: now fitted state is set

    def refit(at=None):
        clf = copy.copy(old)
        traced.append(CtrlC([FedAvgClassifier.mro()[1], ModalityEstimator], at))
        with nullcontext() if at is None else pytest.raises(KeyboardInterrupt), ends:
            clf.fit(X["a"], y + 1, clients=clients)
        return clf

    monkeypatch.setattr(InProcessEngine, "close", closed)
    new = refit()
    expected = old.predict_proba(frame), new.predict_proba(X["a"])
    assert "feature_names_in_" in vars(old)
    assert "feature_names_in_" not in vars(new)
    before = dict(vars(old))
    found = set()
    for at in range(len(traced[0].lines)):
        clf = refit(at)
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

    with CtrlC([Server]) as counted:
        finish(copy.deepcopy(first))
    found = set()
    for at in range(len(counted.lines)):
        server = copy.deepcopy(first)
        with pytest.raises(KeyboardInterrupt), CtrlC([Server], at):
            finish(server)
        server.settle()
        found.add(server.round)
        assert server.round == len(server.history) == len(server.plans)
        assert {record["round"] for record in server.selection} == set(range(1, server.round + 1))
        assert same_state(server.state, whole[server.round].state)
        assert same_state(tables(server), tables(whole[server.round]))
    assert found == {1, 2}
