"""What a server has at the end, in the words of the user."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from ._messages import Memory
from ._server import Server


def fitted_attributes(
    server: Server, memories: Mapping[str, Memory], labels: Mapping[str, Any]
) -> dict[str, Any]:
    """Fitted attributes that all federated estimators have.

    Parameters
    ----------
    server : Server
        After its rounds.
    memories : mapping of str to Memory
        What clients keep, where it is known here.
    labels : mapping of str to object
        Clients by their ids at the server.
    """
    selection = pd.DataFrame(server.selection, columns=["round", "client", "modalities", "outcome"])
    selection["client"] = [labels[client] for client in selection["client"]]
    return {
        "clients_": np.asarray(list(labels.values())),
        "server_": server,
        "n_rounds_": server.round,
        "history_": _history_frame(server.history, labels),
        "selection_log_": selection,
        "plan_": [{labels[c]: list(m) for c, m in plan.items()} for plan in server.plans],
        "personal_": {labels[c]: m["personal"] for c, m in memories.items() if "personal" in m},
    }


def _history_frame(history: list[dict[str, Any]], labels: Mapping[str, Any]) -> pd.DataFrame:
    rows = []
    for record in history:
        row = dict(record)
        row["clients"] = [labels[client] for client in record["clients"]]
        for name in ("modalities", "skipped", "client_accuracy"):
            if name in record:
                row[name] = {labels[client]: value for client, value in record[name].items()}
        rows.append(row)
    frame = pd.DataFrame(rows)
    first = ["round", "clients", "modalities", "skipped", "lr", "train_loss", "accuracy"]
    first = [name for name in first if name in frame]
    return frame[[*first, *(name for name in frame if name not in first)]]
