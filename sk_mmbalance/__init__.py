"""Learning from several modalities when they are unequal, as scikit-learn estimators.

Importing the package is light: a public name is loaded with its room (and torch, skorch,
cvxpy or matplotlib with it) when it is first used.
"""

import sys
from importlib import import_module
from typing import Any

__version__ = "0.1.0"

# One line a public name: where it lives. A new method adds its line here.
_HOMES = {
    "ARMClassifier": "convex",
    "ARMClassifierCV": "convex",
    "ARMRegressor": "convex",
    "CMSFedClassifier": "federated",
    "CostCurveDisplay": "inspection",
    "DataRemixingClassifier": "neural",
    "DeepEnsembleClassifier": "deep_ensemble",
    "DeepEnsembleRegressor": "deep_ensemble",
    "FedAvgClassifier": "federated",
    "FedCMIClassifier": "federated",
    "LateFusionClassifier": "ensemble",
    "LateFusionRegressor": "ensemble",
    "Modalities": "modalities",
    "ModalityConcatenator": "preprocessing",
    "ModalitySelector": "preprocessing",
    "ModalityTransformer": "preprocessing",
    "MultimodalClassifier": "neural",
    "MultimodalRegressor": "neural",
    "NegativeLearningClassifier": "neural",
    "OpinionPoolClassifier": "ensemble",
    "OpinionPoolRegressor": "ensemble",
    "SerialFusionClassifier": "serial",
    "SerialSemiSupervisedClassifier": "serial",
    "SustainedBoostingClassifier": "neural",
    "UnimodalClassifier": "ensemble",
    "UnimodalRegressor": "ensemble",
    "compare": "comparison",
    "make_preprocessor": "preprocessing",
}

_ROOMS = (
    "balancing",
    "comparison",
    "convex",
    "datasets",
    "deep_ensemble",
    "ensemble",
    "exceptions",
    "federated",
    "inspection",
    "modalities",
    "model_selection",
    "neural",
    "preprocessing",
    "serial",
)

__all__ = sorted([*_HOMES, *_ROOMS])


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    if name in _ROOMS:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])


class _OtherVersions:
    """Says what it means that a module of this package is not there; asked after all others.

    A pickle names the modules of the version that wrote it, and has no other word of it.
    """

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        if name.startswith(f"{__name__}."):
            raise ModuleNotFoundError(
                f"{__name__} {__version__} has no module {name!r}. If a pickle or a joblib file "
                "asked for it, another version of the package wrote that file, and this one cannot "
                "read it: load it with the version that wrote it, or fit anew. Files of "
                "`save_weights` outlive versions longer.",
                name=name,
            )


# once, also where the package is loaded anew
if not any(type(finder).__name__ == _OtherVersions.__name__ for finder in sys.meta_path):
    sys.meta_path.append(_OtherVersions())
