"""Federated training: several clients with private data, and one network for all."""

from ._aggregation import split_by_modality
from ._client import ClientTrainer
from ._cmsfed import CMSFed, CMSFedClassifier
from ._engine import InProcessEngine
from ._fedavg import FedAvg, FedAvgClassifier
from ._fedcmi import FedCMI, FedCMIClassifier
from ._local import Local
from ._messages import Failure, Order, Reply
from ._method import Method
from ._partition import (
    dirichlet_clients,
    group_clients,
    lacking_modalities,
    without_modalities,
)
from ._round_view import RoundView
from ._server import Server
from ._task import Task

__all__ = [
    "CMSFed",
    "CMSFedClassifier",
    "ClientTrainer",
    "Failure",
    "FedAvg",
    "FedAvgClassifier",
    "FedCMI",
    "FedCMIClassifier",
    "InProcessEngine",
    "Local",
    "Method",
    "Order",
    "Reply",
    "RoundView",
    "Server",
    "Task",
    "dirichlet_clients",
    "group_clients",
    "lacking_modalities",
    "split_by_modality",
    "without_modalities",
]
