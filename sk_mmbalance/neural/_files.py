"""What a fitted network is written to and read from: weights, programs, plain state."""

from __future__ import annotations

from typing import Any

from ..base import ModalityEstimator
from ._export import export
from ._saving import load_packed, load_weights, save_weights, weights_of
from ._weights_file import pack


class NeuralFiles(ModalityEstimator):
    """Files of the neural estimators, over ``net_``."""

    def export(self, file: Any, scaler: Any = None) -> None:
        """Write the network as a program that runs without this package.

        The program takes a dict of tensors by modality, of shape (n_samples, ...) in any number of
        rows, and gives what `predict_proba` gives (a regressor: numbers, in columns). With
        ``missing="mask"`` it takes a second dict, of booleans of shape (n_samples,) that say which
        rows have a modality. Fitted fusion weights are in it.

        Parameters
        ----------
        file : str or path
            Where to write: with the ending ``.onnx`` in ONNX's form (needs the extra ``export``),
            else for ``torch.export.load``. It appears whole or not at all.
        scaler : ModalityTransformer or dict, default=None
            A fitted transformer of `StandardScaler`, or a mean and a scale by modality, put in
            front of the network: the program then takes values as they are measured, in float64.

        Raises
        ------
        MissingDependencyError
            For ONNX without onnxscript.
        ValueError, TypeError
            For a scaler of another kind, or modalities that a program cannot take.

        Examples
        --------
        >>> import tempfile, torch
        >>> from sk_mmbalance import MultimodalClassifier
        >>> from sk_mmbalance.datasets import load_digits_views
        >>> X, y = load_digits_views(return_X_y=True)
        >>> clf = MultimodalClassifier(max_epochs=2, random_state=0).fit(X, y)
        >>> file = tempfile.mkdtemp() + "/digits.pt2"
        >>> clf.export(file)
        >>> program = torch.export.load(file).module()
        >>> rows = {name: torch.as_tensor(X[name][:5]) for name in X}
        >>> program(rows).shape
        torch.Size([5, 10])
        """
        export(self, file, scaler)

    def __getstate__(self) -> dict[str, Any]:
        """Attributes in plain parts, the network as the bytes of `save_weights`."""
        state = super().__getstate__()
        if "net_" not in state:
            return state
        kept = {key: value for key, value in state.items() if not _is_of_the_fit(key)}
        return {**kept, "_packed": pack(*weights_of(self))}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take attributes, plain or as they are."""
        state = dict(state)
        packed = state.pop("_packed", None)
        first: Any = state.get("_first_parameters")
        super().__setstate__(state)
        if packed is not None:
            load_packed(self, packed, "state of the estimator")
            self._first_parameters = first

    def save_weights(self, file: Any) -> None:
        """Write weights, target and input specification to a safetensors file.

        Unlike a pickle, such a file can be loaded from a source that is not trusted. It appears
        whole or not at all: whatever fails leaves the file that was there.

        Parameters
        ----------
        file : str or path
            Where to write.
        """
        save_weights(self, file)

    def load_weights(self, file: Any) -> Any:
        """Become fitted from a file of `save_weights`.

        The estimator must have the constructor parameters of the one that wrote the file (those
        that shape the network). The file is compared with its checksum before anything is built.

        Parameters
        ----------
        file : str or path
            What `save_weights` wrote.

        Returns
        -------
        self
            The fitted estimator.

        Raises
        ------
        DamagedFileError
            If the file is not, byte for byte, what was written.
        ValueError
            If it belongs to another estimator, other parameters or other modalities.
        """
        return load_weights(self, file)


def _is_of_the_fit(name: str) -> bool:
    """Whether an attribute comes back with the network."""
    return name in ("_target", "_seed", "_fitted_fusion", "_input_spec") or name.endswith("_")
