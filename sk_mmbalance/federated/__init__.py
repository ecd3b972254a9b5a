"""Federated training: several clients with private data, and one network for all."""

from .aggregation import split_by_modality
from .client import ClientTrainer
from .cmsfed import CMSFed, CMSFedClassifier
from .engine import Engine, InProcessEngine
from .fedavg import FedAvg, FedAvgClassifier
from .fedcmi import FedCMI, FedCMIClassifier
from .messages import Failure, Order, Reply
from .server import Server
from .task import Task

__all__ = [
    "CMSFed",
    "CMSFedClassifier",
    "ClientTrainer",
    "Engine",
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
    "split_by_modality",
]
