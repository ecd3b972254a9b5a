"""Estimators whose `fit` takes what was fitted beforehand, or only says what it was given.

scikit-learn's search clones, sets parameters, fits and scores, and so does scikit-learn's pipeline
with its last step. Both are left to do all that with the user's own estimator, whose class is
replaced for the time being by a subclass that differs in `fit` alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache, wraps
from typing import Any

from sklearn.base import clone


class HandedOver:
    """Mixed in: `fit` becomes what was fitted beforehand; fits itself where nothing was.

    Clones of it get what was fitted in the order in which scikit-learn's search makes them: one
    that it keeps to clone further, and then one for every candidate and fold.
    """

    _hands: Iterator[Any]
    _hand: Any

    @classmethod
    def around(cls, estimator: Any, hands: Iterable[Any]) -> Any:
        """A copy of `estimator` whose clones' clones are handed these, one each."""
        return _dressed(clone(estimator), cls, _hands=iter([None, *hands]), _hand=None)

    @staticmethod
    def undressed(estimator: Any) -> Any:
        """The estimator as it would be if nothing had been handed over."""
        return _undressed(estimator, ("_hands", "_hand"))

    def __sklearn_clone__(self) -> Any:
        copied = clone(HandedOver.undressed(self))
        hand = next(self._hands, None)
        return _dressed(copied, HandedOver, _hands=self._hands, _hand=hand)

    def __reduce__(self) -> Any:
        return _handed, (HandedOver.undressed(self), self._hand)

    def fit(self, *args: Any, **kwargs: Any) -> Any:
        """Become what was fitted beforehand, or raise what kept it from that."""
        hand = self.__dict__.pop("_hand", None)
        if hand is None:
            return super().fit(*args, **kwargs)  # type: ignore[misc]
        if isinstance(hand, Exception):
            raise hand
        self.__dict__.update(hand.__dict__)
        return self


class Catching:
    """Mixed in: `fit` keeps what it is given, and does nothing."""

    given: tuple[tuple[Any, ...], dict[str, Any]]

    @classmethod
    def around(cls, estimator: Any) -> Any:
        """A copy of `estimator` that catches."""
        return _dressed(clone(estimator), cls)

    def __sklearn_clone__(self) -> Any:
        return _dressed(clone(_undressed(self, ("given",))), Catching)

    def fit(self, *args: Any, **kwargs: Any) -> Any:
        """Keep what came."""
        self.given = (args, kwargs)
        return self


def _dressed(estimator: Any, mixin: Any, **attributes: Any) -> Any:
    plain: Any = type(estimator)
    estimator.__class__ = _dress(mixin, plain)
    vars(estimator).update(attributes)
    return estimator


@cache
def _dress(mixin: Any, cls: Any) -> type:
    """Make the subclass; once, for scikit-learn reads signatures whenever a class is made."""

    @wraps(cls.fit)  # metadata routing reads the signature
    def fit(self: Any, *args: Any, **kwargs: Any) -> Any:
        return mixin.fit(self, *args, **kwargs)

    return type(cls.__name__, (mixin, cls), {"__module__": cls.__module__, "fit": fit})


def _undressed(estimator: Any, attributes: tuple[str, ...]) -> Any:
    plain: Any = object.__new__(type(estimator).__bases__[1])
    vars(plain).update({k: v for k, v in vars(estimator).items() if k not in attributes})
    return plain


def _handed(estimator: Any, hand: Any) -> Any:
    return _dressed(estimator, HandedOver, _hands=iter(()), _hand=hand)
