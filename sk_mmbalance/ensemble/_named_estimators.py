"""Parameters of estimators that are given by name inside another one's parameter."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sklearn.base import BaseEstimator


class NamedEstimators(BaseEstimator):
    """Reaches estimators inside the parameter `_holder`, as scikit-learn's Pipeline does.

    Where that parameter holds a single one, ``estimator__C`` is what scikit-learn makes of it;
    where it holds several by name, they are ``estimator__face`` and ``estimator__face__C``.
    """

    #: The constructor parameter that holds the estimators.
    _holder = "estimator"

    #: What error messages call one of them, and one that has parameters to set.
    _noun = "classifier"
    _example = "LogisticRegression()"

    def _named(self) -> Mapping[str, Any]:
        """Estimators by name as they were given, None among them; empty if not by name."""
        held = getattr(self, self._holder)
        return held if isinstance(held, Mapping) else {}

    def _replaced(self, name: str, model: Any) -> Any:
        """The holder's value with another estimator under `name`."""
        return {**self._named(), name: model}

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Get parameters, those of the inner estimators too.

        Parameters
        ----------
        deep : bool, default=True
            Whether to include the inner estimators: ``estimator__C``, or ``estimator__face`` and
            ``estimator__face__C`` where they are given by name (``experts__face`` and so on where
            the parameter is `experts`).

        Returns
        -------
        params : dict
            Values by parameter name.
        """
        params = super().get_params(deep=deep)
        for name, model in self._named().items() if deep else ():
            params[f"{self._holder}__{name}"] = model
            if hasattr(model, "get_params") and not isinstance(model, type):
                inner = model.get_params(deep=True)
                params.update({f"{self._holder}__{name}__{key}": inner[key] for key in inner})
        return params

    def set_params(self, **params: Any) -> NamedEstimators:
        """Set parameters, those of the inner estimators too.

        Parameters
        ----------
        **params : object
            Named as in `get_params`.

        Returns
        -------
        self : object
            The same estimator.
        """
        holder = self._holder
        if holder in params:
            setattr(self, holder, params.pop(holder))
        if not self._named() and not isinstance(getattr(self, holder), Mapping | str):
            return super().set_params(**params)
        inner = {key: params.pop(key) for key in list(params) if key.startswith(f"{holder}__")}
        super().set_params(**params)
        for key in sorted(inner, key=lambda key: key.count("__")):  # whole estimators first
            name = self._name_in(key)
            parameter = key.removeprefix(f"{holder}__{name}").removeprefix("__")
            if not parameter:
                setattr(self, holder, self._replaced(name, inner[key]))
            elif self._named()[name] is None:
                raise ValueError(
                    f"Invalid parameter {key!r}: `{holder}` is None for {name!r}. Give "
                    f"{self._example} to set its parameters."
                )
            else:
                self._named()[name].set_params(**{parameter: inner[key]})
        return self

    def _name_in(self, key: str) -> str:
        """Name of the estimator that the parameter `key` belongs to."""
        names = sorted(self._named(), key=len, reverse=True)  # "face__left" before "face"
        for name in names:
            if f"{key}__".startswith(f"{self._holder}__{name}__"):
                return name
        wanted = key.removeprefix(f"{self._holder}__").partition("__")[0]
        raise ValueError(
            f"Invalid parameter {key!r}: `{self._holder}` has no {self._noun} {wanted!r}; it has "
            f"{sorted(names)}."
        )
