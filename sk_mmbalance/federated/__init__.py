"""Federated training: several clients with private data, and one network for all."""

from .aggregation import split_by_modality
from .client import ClientTrainer
from .cmsfed import CMSFed, CMSFedClassifier
from .engine import InProcessEngine
from .fedavg import FedAvg, FedAvgClassifier
from .fedcmi import FedCMI, FedCMIClassifier
from .messages import Failure, Order, Reply
from .partition import (
    dirichlet_clients,
    group_clients,
    lacking_modalities,
    without_modalities,
)
from .server import Server
from .task import Task

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
    "Order",
    "Reply",
    "Server",
    "Task",
    "dirichlet_clients",
    "group_clients",
    "lacking_modalities",
    "split_by_modality",
    "without_modalities",
]
