"""Federated training: several clients with private data, and one network for all."""

from .aggregation import split_by_modality
from .client import ClientTrainer
from .engine import Engine, InProcessEngine
from .fedavg import FedAvg, FedAvgClassifier
from .messages import Failure, Order, Reply
from .server import Server
from .task import Task

__all__ = [
    "ClientTrainer",
    "Engine",
    "Failure",
    "FedAvg",
    "FedAvgClassifier",
    "InProcessEngine",
    "Order",
    "Reply",
    "Server",
    "Task",
    "split_by_modality",
]
