"""What a person chooses of joint training: fusion, loss per modality, balancing method."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real
from typing import Any, ClassVar

from sklearn.utils import Bunch
from torch import nn

from .._sklearn import Interval, StrOptions
from ..balancing import Balancing
from ..base import LABELS
from ..networks import FUSIONS
from ._estimator import BaseMultimodalEstimator


@dataclass(kw_only=True, eq=False, repr=False)
class FusionChoice(BaseMultimodalEstimator):
    """Mixed in where fusion and loss per modality are the user's choice."""

    fusion: Any = "auto"
    unimodal_weight: Any = "auto"

    _fusion_constraints: ClassVar[dict[str, list[Any]]] = {
        "fusion": [StrOptions({*FUSIONS, "auto"}), type, nn.Module],
        "unimodal_weight": [Interval(Real, 0, None, closed="left"), StrOptions({"auto"})],
    }

    def _side(self) -> tuple[Any, float]:
        """Return fusion and `unimodal_weight`, "auto" resolved and refused where they clash."""
        value = self._value() or Balancing()
        value.check_side(self.fusion, self.unimodal_weight)
        fusion, weight = self.fusion, self.unimodal_weight
        return (
            value._fusion if isinstance(fusion, str) and fusion == "auto" else fusion,
            value._unimodal_weight if weight == "auto" else weight,
        )


@dataclass(kw_only=True, eq=False, repr=False)
class BalancingChoice(FusionChoice):
    """Mixed in where the balancing method is a parameter."""

    balancing: Any = None

    _choice_constraints: ClassVar[dict[str, list[Any]]] = {
        **FusionChoice._fusion_constraints,
        "balancing": [Balancing, None],
    }

    def set_params(self, **params: Any) -> Any:
        """Set parameters; those of the balancing method as ``balancing__alpha``.

        Parameters
        ----------
        **params : dict
            Parameters of the estimator, and of what it holds.

        Returns
        -------
        self
            The estimator.
        """
        nested = [name for name in params if name.startswith("balancing__")]
        if nested and params.get("balancing", self.balancing) is None:
            raise ValueError(
                f"`balancing` is None, which has no parameters such as `{nested[0]}`. Set a method "
                "with it (balancing=OGM()); a search over several methods takes a list of grids, "
                "with the method in each: [{'balancing': [None]}, {'balancing': [OGM()], "
                "'balancing__alpha': [0.1, 0.3]}]."
            )
        return super().set_params(**params)

    def __sklearn_tags__(self) -> Any:
        """Whether several labels can be learnt depends on the method."""
        tags = super().__sklearn_tags__()
        if isinstance(self.balancing, Balancing) and tags.classifier_tags is not None:
            try:
                self.balancing.check_target(LABELS)
            except ValueError:
                tags.classifier_tags.multi_label = False
        return tags

    def _value(self) -> Balancing | None:
        return self.balancing

    def _said_by_methods(self, said: dict[str, Any]) -> dict[str, Any]:
        return {"balancing_": Bunch(**said) if said else None}
