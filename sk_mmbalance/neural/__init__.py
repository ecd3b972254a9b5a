"""Neural estimators: scikit-learn outside, a skorch net inside."""

# Not public; `federated` and `model_selection` train the same networks in loops of their own.
from ._boosting import SustainedBoostingClassifier
from ._classifier import BaseMultimodalClassifier
from ._documentation import insert_shared as insert_shared
from ._estimator import BaseMultimodalEstimator as BaseMultimodalEstimator
from ._joint import MultimodalClassifier, MultimodalRegressor
from ._negative_learning import NegativeLearningClassifier
from ._net import MultimodalNet as MultimodalNet
from ._prediction import ClassifierPredictions as ClassifierPredictions
from ._remixing import DataRemixingClassifier
from ._training import OPTIMIZERS as OPTIMIZERS

__all__ = [
    "BaseMultimodalClassifier",
    "DataRemixingClassifier",
    "MultimodalClassifier",
    "MultimodalRegressor",
    "NegativeLearningClassifier",
    "SustainedBoostingClassifier",
]
