"""Neural estimators: scikit-learn outside, a skorch net inside."""

# Not public; `federated` and `model_selection` train the same networks in loops of their own.
from ._boosting import SustainedBoostingClassifier
from ._checkpoint_file import CheckpointFile as CheckpointFile
from ._checkpoint_file import checked_folder as checked_folder
from ._checkpoints import mark_of_parameters as mark_of_parameters
from ._classifier import BaseMultimodalClassifier
from ._continuing import same as same
from ._documentation import insert_shared as insert_shared
from ._estimator import BaseMultimodalEstimator as BaseMultimodalEstimator
from ._estimator import hands_out as hands_out
from ._estimator import preset_of as preset_of
from ._estimator import start_fitting as start_fitting
from ._fitting import Fitting as Fitting
from ._fitting import Shared as Shared
from ._fitting import Training as Training
from ._joint import MultimodalClassifier, MultimodalRegressor
from ._marks import mark_of as mark_of
from ._negative_learning import NegativeLearningClassifier
from ._net import MultimodalNet as MultimodalNet
from ._net import TrainingStopped as TrainingStopped
from ._plain_values import plainly as plainly
from ._prediction import ClassifierPredictions as ClassifierPredictions
from ._progress import EpochBar as EpochBar
from ._remixing import DataRemixingClassifier
from ._stopping import BestWeights as BestWeights
from ._training import BY_ELEMENT as BY_ELEMENT
from ._training import OPTIMIZERS as OPTIMIZERS
from ._training import start_momentum as start_momentum

__all__ = [
    "BaseMultimodalClassifier",
    "DataRemixingClassifier",
    "MultimodalClassifier",
    "MultimodalRegressor",
    "NegativeLearningClassifier",
    "SustainedBoostingClassifier",
]
