"""`Task`: what server and clients have to agree on before the first message."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from ..modalities import CheckedModalities, InputSpec, check_modalities
from ..neural import parts


@dataclass(frozen=True)
class Task:
    """Modalities, classes and precision of a federated problem.

    Attributes
    ----------
    shapes : dict of str to tuple of int
        Shape of one sample of each modality.
    classes : tuple
        All class labels, sorted.
    dtype : {"float32", "float64"}, default="float32"
        Precision of the network.
    """

    shapes: Mapping[str, tuple[int, ...]]
    classes: tuple[Any, ...]
    dtype: str = "float32"

    def __post_init__(self) -> None:
        if not self.shapes:
            raise ValueError("`shapes` must name at least one modality; got none.")
        if self.dtype not in ("float32", "float64"):
            raise ValueError(f"`dtype` must be 'float32' or 'float64'; got {self.dtype!r}.")
        if len(self.classes) < 2 or list(self.classes) != sorted(set(self.classes)):
            raise ValueError(
                f"`classes` must be two or more labels, sorted; got {list(self.classes)}."
            )
        shapes = {name: tuple(int(n) for n in self.shapes[name]) for name in sorted(self.shapes)}
        object.__setattr__(self, "shapes", shapes)

    @property
    def names(self) -> list[str]:
        """Sorted names of the modalities."""
        return list(self.shapes)

    @property
    def torch_dtype(self) -> torch.dtype:
        """The precision in torch's words."""
        return torch.float64 if self.dtype == "float64" else torch.float32

    @property
    def spec(self) -> InputSpec:
        """What input is held to."""
        shapes = dict(self.shapes)
        return InputSpec(shapes, sum(int(np.prod(shape)) for shape in shapes.values()))

    def to_json(self) -> str:
        """Write the task as text (for labels that JSON has: numbers, strings)."""
        return json.dumps(
            {
                "shapes": {name: list(shape) for name, shape in self.shapes.items()},
                "classes": np.asarray(self.classes).tolist(),
                "dtype": self.dtype,
            }
        )

    @classmethod
    def from_json(cls, text: str) -> Task:
        """Read what `to_json` wrote."""
        about = json.loads(text)
        shapes = {name: tuple(shape) for name, shape in about["shapes"].items()}
        return cls(shapes, tuple(about["classes"]), about["dtype"])

    def read(self, X: Any, y: Any, sample_weight: Any = None) -> parts.ModalityRows:
        """One client's own rows; it may lack modalities, in some rows or altogether.

        Parameters
        ----------
        X : Modalities, dict or DataFrame
            The client's modalities; a modality it does not have is left out or all NaN.
        y : array-like of shape (n_samples,)
            Labels among `classes`; not every class has to occur.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows. Their sum is the client's weight in the federation.

        Returns
        -------
        ModalityRows
            For `ClientTrainer`.
        """
        checked = check_modalities(X, spec=self.spec, missing="mask")
        y = np.asarray(y)
        classes = np.asarray(self.classes)
        unknown = np.setdiff1d(y, classes)
        if y.shape != (checked.n_samples,) or len(unknown):
            raise ValueError(
                f"`y` must be one label of {classes.tolist()} for each of the {checked.n_samples} "
                f"rows of `X`; got shape {y.shape}"
                + (f" with unknown labels {unknown.tolist()}." if len(unknown) else ".")
            )
        weight = None if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
        if weight is not None and (
            weight.shape != y.shape or not (np.isfinite(weight) & (weight >= 0)).all()
        ):
            raise ValueError(
                "`sample_weight` must be one finite number of at least 0 for each row of `X`."
            )
        return self.rows(checked, np.searchsorted(classes, y), weight)

    def rows(
        self, checked: CheckedModalities, codes: np.ndarray, weight: np.ndarray | None
    ) -> parts.ModalityRows:
        """Tensors from input that has been read."""
        return parts.to_rows(
            checked, codes, weight, dtype=self.torch_dtype, device=torch.device("cpu")
        )


@contextmanager
def seeded(seed: int, device: torch.device | None = None) -> Iterator[None]:
    """Whatever torch draws inside is drawn from `seed`, and nobody else's numbers change."""
    cuda = device is not None and device.type == "cuda"
    with torch.random.fork_rng(devices=[device] if cuda else []):
        if cuda:
            torch.manual_seed(seed)
        else:  # torch.manual_seed would look for every kind of accelerator, which takes longer
            torch.default_generator.manual_seed(seed)
        yield


def arrays_of(state: Mapping[str, torch.Tensor]) -> dict[str, np.ndarray]:
    """A state dict as numpy arrays of their own."""
    return {key: np.array(value.detach().cpu().numpy()) for key, value in state.items()}


def load_arrays(module: nn.Module, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays into a module's state."""
    # np.array: what came over a wire may be read-only, which torch warns of
    module.load_state_dict({key: torch.from_numpy(np.array(a)) for key, a in arrays.items()})
