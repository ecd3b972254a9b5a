"""Models that other processes can import."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin


def die():
    """End the process at once."""
    os._exit(3)


class Share(ClassifierMixin, BaseEstimator):
    """Guesses the shares of the classes; may take its time, break, die or ask for groups."""

    def __init__(self, seconds=0.0, error=None, dies=False):
        self.seconds = seconds
        self.error = error
        self.dies = dies

    def fit(self, X, y):
        time.sleep(self.seconds)
        if self.dies:
            die()
        if self.error:
            raise RuntimeError(self.error)
        self.classes_, counts = np.unique(y, return_counts=True)
        self.share_ = counts / counts.sum()
        return self

    def predict(self, X):
        return np.full(len(X), self.classes_[self.share_.argmax()])

    def predict_proba(self, X):
        return np.tile(self.share_, (len(X), 1))


class Unheard(RegressorMixin, BaseEstimator):
    """Foretells the mean; may break, die, or refuse to be sent anywhere."""

    def __init__(self, error=None, dies=False, stays=False):
        self.error = error
        self.dies = dies
        self.stays = stays

    def __getstate__(self):
        if self.stays:
            raise ValueError("it stays at home")
        return super().__getstate__()

    def fit(self, X, y):
        if self.dies:
            die()
        if self.error:
            raise RuntimeError(self.error)
        self.mean_ = np.mean(y)
        return self

    def predict(self, X):
        return np.full(len(X), self.mean_)


#: Holds a lock on a file for as long as it lives: a process that is dead but was not waited for by
#: whoever adopted it still has its number, and no locks.
_HOLD = """
import fcntl, sys, time
with open(sys.argv[1], "w") as file:
    fcntl.flock(file, fcntl.LOCK_EX)
    print("held", flush=True)
    time.sleep(600)
"""


class Endless(Share):
    """Never comes to an end, does not listen to a polite signal, and has a process of its own."""

    def __init__(self, file=""):
        self.file = file

    def fit(self, X, y):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        child = subprocess.Popen([sys.executable, "-c", _HOLD, self.file], stdout=subprocess.PIPE)
        child.stdout.readline()
        while True:
            np.arange(10_000).sum()


class GroupsSeen(Share):
    """Fails unless it is given groups, all rows of each."""

    __metadata_request__fit = {"groups": True}

    def fit(self, X, y, groups=None):
        if groups is None or len(groups) != len(y):
            raise RuntimeError("no groups came")
        if set(np.unique(groups, return_counts=True)[1]) != {6}:
            raise RuntimeError("a group was divided")
        return super().fit(X, y)
