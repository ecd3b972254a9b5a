"""`PredictingNet`: what a fitted net gives for rows, without a gradient."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..networks import (
    Aligned,
    Batch,
    ModalityRows,
    MultimodalModule,
    MultimodalOutput,
    RowBatches,
    over,
    stacked_of,
)
from ._collected import Collected
from ._following import FollowingNet

#: With ``predict_batch_size="auto"`` a batch has at most so many rows, and at most so many values:
#: no gradients are kept, so that larger batches cost nothing but memory, but images are large.
PREDICT_ROWS, PREDICT_VALUES = 4096, 2**22


class PredictingNet(FollowingNet):
    """Runs a `MultimodalModule` on batches that are slices of rows on the device."""

    amp: bool
    n_classes: int | None
    predict_batch_size: Any

    @property
    def network(self) -> Any:
        """The network itself, also when it is compiled."""
        module = self.module_
        if isinstance(module, MultimodalModule):  # spares every step a failing look-up
            return module
        return getattr(module, "_orig_mod", module)

    @property
    def classes_(self) -> np.ndarray:
        """Class codes (what scikit-learn's scorers ask for)."""
        if self.n_classes is None:
            raise AttributeError("This net does not know its number of classes.")
        return np.arange(self.n_classes)

    def infer(self, x: dict[str, Any], **fit_params: Any) -> MultimodalOutput:
        """Run the network on one batch."""
        if self.amp:
            with self.autocast():
                output = self.module_(x["inputs"], x.get("present"), **fit_params)
            own = over(Tensor.float, output.unimodal)
            return MultimodalOutput(output.logits.float(), own, output.embeddings)
        return self.module_(x["inputs"], x.get("present"), **fit_params)

    def autocast(self) -> Any:
        """Precision in which parts of the network are to be run, as a context."""
        if not self.amp:
            return nullcontext()
        return torch.autocast(torch.device(self.device).type, dtype=torch.bfloat16)

    def get_dataset(self, X: Any, y: Any = None) -> Any:
        """Rows are made by the estimator; nothing to wrap."""
        return X

    def get_iterator(self, dataset: Any, training: bool = False) -> Any:
        """Batches by slice; skorch's own loader for anything that is not `ModalityRows`."""
        if not isinstance(dataset, ModalityRows):
            return super().get_iterator(dataset, training=training)
        size = self._size_for_prediction(dataset)
        return RowBatches(dataset, size, torch.device(self.device))

    def _size_for_prediction(self, rows: ModalityRows) -> int:
        if self.predict_batch_size != "auto":
            return int(self.predict_batch_size)
        most = PREDICT_VALUES // max(1, rows.n_values)
        return max(self.batch_size, min(PREDICT_ROWS, most))

    def evaluation_step(self, batch: Batch, training: bool = False) -> Tensor:
        """Fused logits of a batch."""
        return self.evaluate(batch, unimodal=False).logits

    def evaluate(self, batch: Batch, unimodal: bool = True) -> MultimodalOutput:
        """Fused and unimodal logits of a batch, without gradient."""
        self.check_is_fitted()
        self._stop_training()
        with torch.inference_mode():
            return self.infer(batch[0], unimodal=unimodal)

    def _set_training(self, training: bool = True) -> None:
        """Put everything in the mode of training, or out of it, where it is not there yet."""
        parts = (*self.module_.modules(), self.criterion_)
        if any(getattr(part, "training", training) != training for part in parts):
            super()._set_training(training)

    def _stop_training(self) -> None:
        if self.module_.training:  # a walk through all submodules is not free
            self._set_training(False)

    def evaluate_rows(self, rows: ModalityRows, unimodal: bool = True) -> MultimodalOutput:
        """Fused and unimodal logits of all rows, in main memory."""
        self.check_is_fitted()
        self._stop_training()
        logits, own, stacked = Collected(len(rows)), Collected(len(rows)), Collected(len(rows), 1)
        for X, _ in self.get_iterator(rows):
            with torch.inference_mode():
                part = self.infer(X, unimodal=unimodal)
            together = stacked_of(part.unimodal)
            logits.add({"": part.logits})
            if together is None:
                own.add(part.unimodal)
            else:
                stacked.add({"": together})
        fused = logits.parts[""]
        if stacked.parts:
            return MultimodalOutput(fused, Aligned(list(part.unimodal), stacked.parts[""]))
        return MultimodalOutput(fused, own.parts)

    def embed_rows(self, rows: ModalityRows) -> dict[str, Tensor]:
        """Embeddings of all rows, in main memory."""
        self.check_is_fitted()
        self._stop_training()
        whole = Collected(len(rows))
        for X, _ in self.get_iterator(rows):
            with torch.inference_mode():
                found = self.network.encode(X["inputs"], X.get("present"))
            whole.add(found)
        return {name: whole.parts[name] for name in self.network.names}

    def alone_rows(self, rows: ModalityRows) -> dict[str, Tensor]:
        """What the fused classifier gives with each modality alone, in main memory."""
        self.check_is_fitted()
        self._stop_training()
        module, whole = self.network, Collected(len(rows))
        for X, _ in self.get_iterator(rows):
            with torch.inference_mode(), self.autocast():
                found = module.each_alone(module.encode(X["inputs"], X.get("present")))
            whole.add(found)
        return {name: whole.parts[name] for name in module.names}

    def predict(self, X: Any) -> Any:
        """Class codes of all rows (what skorch's scoring callbacks call)."""
        return self.predict_proba(X).argmax(axis=1)
