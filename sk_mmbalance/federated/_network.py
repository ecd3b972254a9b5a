"""`GlobalNetwork`: the trained network, ready to answer."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from .. import networks
from ._rows import EVALUATE_BATCH


class GlobalNetwork:
    """What `predict` and its siblings ask of a trained network: outputs and embeddings of rows.

    Parameters
    ----------
    module : MultimodalModule
        The network.
    device : str or torch.device, default="cpu"
        Where to run it. What was pickled on a GPU comes back on the CPU where there is none.
    """

    def __init__(self, module: networks.MultimodalModule, device: Any = "cpu"):
        self.device = torch.device(device)
        self.module_ = module.to(self.device)

    def evaluate_rows(
        self, rows: networks.ModalityRows, unimodal: bool = True
    ) -> networks.MultimodalOutput:
        """Fused and unimodal logits of all rows, in main memory."""
        found = self._run(
            rows, lambda X: self.module_(X["inputs"], X.get("present"), unimodal=unimodal)
        )
        own = _joined([part.unimodal for part in found])
        return networks.MultimodalOutput(torch.cat([part.logits for part in found]).cpu(), own)

    def embed_rows(self, rows: networks.ModalityRows) -> dict[str, Tensor]:
        """Embeddings of all rows, in main memory."""
        return _joined(
            self._run(rows, lambda X: self.module_.encode(X["inputs"], X.get("present")))
        )

    def _run(self, rows: networks.ModalityRows, step: Callable[[dict[str, Any]], Any]) -> list[Any]:
        self.module_.eval()
        with torch.inference_mode():
            return [step(X) for X, _ in networks.RowBatches(rows, EVALUATE_BATCH, self.device)]

    def __getstate__(self) -> dict[str, Any]:
        state = {**self.__dict__, "device": str(self.device)}
        if self.device.type != "cpu":
            state["module_"] = copy.deepcopy(self.module_).cpu()
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        device = torch.device(state["device"])
        if device.type == "cuda" and not torch.cuda.is_available():
            device = torch.device("cpu")
        self.__dict__.update(state, device=device, module_=state["module_"].to(device))


def _joined(found: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    return {name: torch.cat([part[name] for part in found]).cpu() for name in found[0]}
