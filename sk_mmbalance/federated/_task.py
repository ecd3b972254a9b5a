"""`Task`: what server and clients have to agree on before the first message."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from .. import networks
from ..base import ClassTarget, TrainingRows, read_held_rows
from ..modalities import InputSpec


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
    sequences : tuple of str, default=()
        Modalities of sequences of unequal length; the number of steps in their shape is any.
    """

    shapes: Mapping[str, tuple[int, ...]]
    classes: tuple[Any, ...]
    dtype: str = "float32"
    sequences: tuple[str, ...] = ()

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
        steps = [name for name, shape in shapes.items() if len(shape) > 1]
        if isinstance(self.sequences, str) or not set(self.sequences) <= set(steps):
            raise ValueError(
                "`sequences` must be a tuple of modalities of shape (time, features), some of "
                f"{steps}; got {self.sequences!r}."
            )
        object.__setattr__(self, "sequences", tuple(sorted(self.sequences)))

    @property
    def names(self) -> list[str]:
        """Sorted names of the modalities."""
        return list(self.shapes)

    @property
    def torch_dtype(self) -> torch.dtype:
        """The precision in torch's words."""
        return torch.float64 if self.dtype == "float64" else torch.float32

    @property
    def target(self) -> ClassTarget:
        """What labels are: one of the classes."""
        return ClassTarget(np.asarray(self.classes))

    @property
    def spec(self) -> InputSpec:
        """What input is held to."""
        shapes = dict(self.shapes)
        n_values = sum(int(np.prod(shape)) for shape in shapes.values())
        return InputSpec(shapes, n_values, sequences=self.sequences)

    def to_json(self) -> str:
        """Write the task as text (for labels that JSON has: numbers, strings)."""
        return json.dumps(
            {
                "shapes": {name: list(shape) for name, shape in self.shapes.items()},
                "classes": np.asarray(self.classes).tolist(),
                "dtype": self.dtype,
                "sequences": list(self.sequences),
            }
        )

    @classmethod
    def from_json(cls, text: str) -> Task:
        """Read what `to_json` wrote."""
        about = json.loads(text)
        shapes = {name: tuple(shape) for name, shape in about["shapes"].items()}
        sequences = tuple(about.get("sequences", ()))
        return cls(shapes, tuple(about["classes"]), about["dtype"], sequences)

    def read(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        modalities: Any = None,
        class_weight: Any = None,
    ) -> networks.ModalityRows:
        """One client's own rows; it may lack modalities, in some rows or altogether.

        Parameters
        ----------
        X : Modalities, dict, DataFrame or array of shape (n_samples, n_features)
            The client's modalities; a modality it does not have is left out or all NaN. Sparse
            ones are made dense.
        y : array-like of shape (n_samples,)
            Labels among `classes`; not every class has to occur.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows. Their sum is the client's weight in the federation; rows of
            weight 0 are as good as absent.
        modalities : dict of str to columns, default=None
            Column blocks of a flat table, as in the estimators.
        class_weight : dict, default=None
            Weights of the classes, multiplied into the sample weights.

        Returns
        -------
        ModalityRows
            For `ClientTrainer`.

        Raises
        ------
        ValueError
            If a label is not among `classes`, no row has weight, or `X` is not of these shapes.
        """
        given = read_held_rows(
            X,
            y,
            sample_weight,
            spec=self.spec,
            target=self.target,
            modalities=modalities,
            missing="mask",
            class_weight=class_weight,
        )
        return self.rows(given)

    def rows(self, given: TrainingRows) -> networks.ModalityRows:
        """Tensors of rows that have been read."""
        return networks.to_rows(
            given.checked,
            given.y,
            given.weight,
            dtype=self.torch_dtype,
            device=torch.device("cpu"),
        )
