"""Federated averaging, the baseline."""

from __future__ import annotations

from dataclasses import dataclass

from .method import Method


@dataclass(frozen=True, kw_only=True)
class FedAvg(Method):
    """Cross-entropy at the clients, weighted means at the server."""
