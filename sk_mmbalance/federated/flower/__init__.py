"""Federated training with Flower: in one process, and on several machines.

``engine="flower"`` of the federated estimators drives Flower's own apps in one process.
`server_app` and `client_app` make the two apps of a real deployment out of the same estimator;
the user guide says how to run them.

Importing this module switches off Flower's telemetry, its check for updates and the installation
of dependencies at run time, and ray's report of its use, where the environment does not say
otherwise (``FLWR_TELEMETRY_ENABLED``, ``FLWR_DISABLE_UPDATE_CHECK``,
``FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION``, ``RAY_USAGE_STATS_ENABLED``).
"""

from . import _switches  # first: Flower reads its switches when it is imported
from ._client import client_app
from ._engine import FlowerEngine
from ._server_app import server_app

#: Values that were set in the environment, for processes that are started from here.
SWITCHES = _switches.SWITCHES

__all__ = ["FlowerEngine", "client_app", "server_app"]
