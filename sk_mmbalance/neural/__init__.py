"""Neural estimators: scikit-learn outside, a skorch net inside."""

# Not public; `federated` and `model_selection` train the same networks in loops of their own.
from ._documentation import insert_shared as insert_shared
from ._prediction import ClassifierPredictions as ClassifierPredictions
from ._training import OPTIMIZERS as OPTIMIZERS
from .boosting import SustainedBoostingClassifier
from .classifier import BaseMultimodalClassifier
from .estimator import BaseMultimodalEstimator as BaseMultimodalEstimator
from .joint import MultimodalClassifier, MultimodalRegressor
from .negative_learning import NegativeLearningClassifier
from .net import MultimodalNet as MultimodalNet
from .remixing import DataRemixingClassifier

__all__ = [
    "BaseMultimodalClassifier",
    "DataRemixingClassifier",
    "MultimodalClassifier",
    "MultimodalRegressor",
    "NegativeLearningClassifier",
    "SustainedBoostingClassifier",
]
