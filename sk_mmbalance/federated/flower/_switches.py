"""What has to happen before Flower is imported: no contact with the outside, and the right minor.

Flower reads its switches once, when it is imported. A value that the user has set stays.
"""

from __future__ import annotations

import os
import warnings
from importlib.metadata import PackageNotFoundError, version

from ...exceptions import MissingDependencyError

#: Without these Flower reports its use to telemetry.flower.ai, asks api.flower.ai for a newer
#: version and installs an app's dependencies from a package index at every start; ray, Flower's
#: simulator, reports its use.
SWITCHES = {
    "FLWR_TELEMETRY_ENABLED": "0",
    "FLWR_DISABLE_UPDATE_CHECK": "1",
    "FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
}

#: Flower changes its names between minors, and the engine in one process builds messages by an
#: argument of `Message` that is not part of Flower's documented interface.
MINOR = "1.41"


def require_minor(found: str | None) -> None:
    """Refuse any other Flower than the one this was written for, and none."""
    if found is None:
        raise MissingDependencyError(
            f"Flower (flwr) {MINOR} is needed and not installed: "
            "pip install 'sk_mmbalance[federated]'. Without it the engine 'inprocess' gives the "
            "same model."
        )
    if found.split(".")[:2] != MINOR.split("."):
        raise MissingDependencyError(
            f"Flower (flwr) {MINOR} is needed, and {found} is installed: "
            "pip install 'sk_mmbalance[federated]'."
        )


def _installed() -> str | None:
    try:
        return version("flwr")
    except PackageNotFoundError:
        return None


for _name, _value in SWITCHES.items():
    os.environ.setdefault(_name, _value)
require_minor(_installed())
with warnings.catch_warnings():
    # Flower's command line, imported with it, uses a name that click has deprecated
    warnings.simplefilter("ignore", DeprecationWarning)
    import flwr.app
    import flwr.clientapp
    import flwr.serverapp  # noqa: F401
