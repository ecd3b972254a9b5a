"""The way weights and groups take into an estimator's `fit`, where metadata routing is off.

An estimator in a wrapper is fitted by the wrapper, which takes anything and hands it on: what
there is to give is read from the estimator inside.
"""

from __future__ import annotations

from typing import Any

from sklearn.pipeline import Pipeline
from sklearn.utils.metadata_routing import get_routing_for_object
from sklearn.utils.validation import has_fit_parameter

from .._sklearn import BaseSearchCV


def handed_on_to(estimator: Any) -> Any:
    """Whom a wrapper hands all parameters of its `fit` on to; None for any other estimator."""
    if isinstance(estimator, BaseSearchCV):
        return estimator.estimator
    hands_on = getattr(estimator, "_hands_params_to", None)
    return None if hands_on is None or isinstance(estimator, type) else hands_on()


def weight_params(estimator: Any, sample_weight: Any) -> dict[str, Any]:
    """Parameters of ``fit`` that hand `sample_weight` to an estimator; empty if it takes none.

    In a pipeline every step that takes weights gets them, so that a weighted fit equals one on
    repeated rows.
    """
    if isinstance(estimator, Pipeline):
        return {
            f"{name}__{key}": value
            for name, step in estimator.steps
            if hasattr(step, "fit")
            for key, value in weight_params(step, sample_weight).items()
        }
    inner = handed_on_to(estimator)
    if inner is not None:
        return weight_params(inner, sample_weight)
    hands_on = getattr(estimator, "_hands_weights_on", False)
    if hasattr(estimator, "fit") and (hands_on or has_fit_parameter(estimator, "sample_weight")):
        return {"sample_weight": sample_weight}
    return {}


def group_params(estimator: Any, groups: Any) -> dict[str, Any]:
    """Parameters of ``fit`` that hand `groups` to an estimator; empty if it takes none.

    In a pipeline what learns gets them. In a search its splitter does, and, where a pipeline is
    searched, what learns in it: scikit-learn keeps what is called `groups` for the splitter.
    """
    if isinstance(estimator, Pipeline):
        name, last = estimator.steps[-1]
        return {f"{name}__{key}": value for key, value in group_params(last, groups).items()}
    inner = handed_on_to(estimator)
    if isinstance(estimator, BaseSearchCV):
        given = group_params(inner, groups)
        given.pop("groups", None)
        return given | ({"groups": groups} if _cuts_by_groups(estimator.cv) else {})
    if inner is not None:
        return group_params(inner, groups)
    takes = hasattr(estimator, "fit") and has_fit_parameter(estimator, "groups")
    return {"groups": groups} if takes else {}


def _cuts_by_groups(cv: Any) -> bool:
    """Whether `cv` is a splitter that looks at groups; scikit-learn's others would warn of some."""
    if not hasattr(cv, "split"):
        return False
    if not hasattr(cv, "get_metadata_routing"):
        return True
    return "groups" in get_routing_for_object(cv).consumes("split", ["groups"])
