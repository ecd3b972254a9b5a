"""Backbones: the network of one modality, from its input to an embedding.

A backbone maps a batch of one modality, ``(batch, *shape)``, to ``(batch, embedding_dim)``.
None of these uses batch normalisation or, by default, dropout: a row's output depends on that row
alone, so weights, masks and batch sizes mean exactly what they say.
"""

from __future__ import annotations

import copy
import inspect
import warnings
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import pairwise
from numbers import Integral
from typing import Any

import torch
from torch import nn

from ._draws import Dropout
from ._image_shapes import as_image, has_channels_last
from ._unequal_steps import UnequalSteps, needs_lengths, real_steps


class MLPBackbone(nn.Sequential):
    """Fully connected layers with ReLU; any input shape is flattened.

    A sparse batch is multiplied as it is.

    Parameters
    ----------
    input_shape : tuple of int
        Shape of one sample.
    embedding_dim : int
        Size of the output.
    hidden_layer_sizes : sequence of int
        Sizes of the hidden layers.
    dropout : float
        Probability of dropping a hidden unit.
    """

    def __init__(
        self,
        input_shape: tuple[int, ...],
        embedding_dim: int,
        hidden_layer_sizes: Sequence[int] = (64,),
        dropout: float = 0.0,
    ):
        layers: list[nn.Module] = [nn.Flatten()] if len(input_shape) > 1 else []
        size = int(torch.tensor(input_shape).prod())
        for width in (*hidden_layer_sizes, embedding_dim):
            layers += [nn.Linear(size, width), nn.ReLU()]
            if dropout:
                layers.append(Dropout(dropout))
            size = width
        super().__init__(*layers)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Embed a batch."""
        if x.layout is torch.strided:
            return super().forward(x)
        layers: list[Any] = list(self)
        first, *others = layers
        x = sparse_linear(x, first.weight, first.bias)
        for layer in others:
            x = layer(x)
        return x


def sparse_linear(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
    """A linear map of a sparse batch, by way of the columns that have a value in it.

    Forward it is a sparse product with their weights, backward the transposed one; no row becomes
    dense.

    Parameters
    ----------
    x : Tensor of shape (batch, n_columns)
        In CSR layout.
    weight : Tensor of shape (n_outputs, n_columns)
    bias : Tensor of shape (n_outputs,) or None
    """
    columns, place = torch.unique(x.col_indices(), return_inverse=True)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Sparse CSR tensor support is in beta", UserWarning)
        narrow = torch.sparse_csr_tensor(
            x.crow_indices(), place, x.values(), (len(x), len(columns)), check_invariants=False
        )
    product = torch.sparse.mm(narrow, weight.index_select(1, columns).t())
    return product if bias is None else product + bias


class CNNBackbone(nn.Module):
    """Three 3 x 3 convolutions with pooling, for images ``(channels, height, width)``.

    Features are pooled to a 2 x 2 grid (not to a point), so that coarse position is kept. Images
    ``(height, width)`` are grey; ``(height, width, channels)`` are known by 1, 3 or 4 channels.

    Parameters
    ----------
    input_shape : tuple of two or three int
        Channels, height and width, in one of these forms.
    embedding_dim : int
        Size of the output.
    dropout : float
        Probability of dropping a pooled feature.
    """

    #: of networks that were pickled before they knew of others
    image_shape: tuple[int, ...] = (1, 1, 1)

    def __init__(self, input_shape: tuple[int, ...], embedding_dim: int, dropout: float = 0.0):
        super().__init__()
        image = as_image(tuple(input_shape))
        self.image_shape = tuple(input_shape)
        channels = (image[0], 16, 32, 64)
        layers: list[nn.Module] = []
        side = min(image[1:])
        for before, after in pairwise(channels):
            layers += [nn.Conv2d(before, after, kernel_size=3, padding=1), nn.ReLU()]
            if side >= 4:  # small images run out of pixels to pool
                layers.append(nn.MaxPool2d(2))
                side //= 2
        self.features = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(2), nn.Flatten())
        self.dropout = Dropout(dropout) if dropout else nn.Identity()
        self.project = nn.Sequential(nn.Linear(4 * channels[-1], embedding_dim), nn.ReLU())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Embed a batch of images."""
        if len(self.image_shape) == 2:
            x = x[:, None]
        elif has_channels_last(self.image_shape):
            x = x.movedim(-1, 1)
        return self.project(self.dropout(self.features(x)))


class SequenceBackbone(nn.Module):
    """Two temporal convolutions and a mean over time, for sequences ``(time, features)``.

    Of sequences that are padded to one length the padding changes nothing: it is zero before each
    convolution, as what lies beyond the end of a sequence is, and has no part in the mean.

    Parameters
    ----------
    input_shape : tuple of two int
        Length and number of features of a sequence.
    embedding_dim : int
        Size of the output.
    dropout : float
        Probability of dropping a pooled feature.
    """

    def __init__(self, input_shape: tuple[int, ...], embedding_dim: int, dropout: float = 0.0):
        super().__init__()
        features = input_shape[1]
        self.convolve = nn.Sequential(
            nn.Conv1d(features, 64, kernel_size=5, padding=2),
            nn.ReLU(),
            nn.Conv1d(64, 64, kernel_size=5, padding=2),
            nn.ReLU(),
        )
        self.dropout = Dropout(dropout) if dropout else nn.Identity()
        self.project = nn.Sequential(nn.Linear(64, embedding_dim), nn.ReLU())

    def forward(self, x: torch.Tensor, lengths: torch.Tensor | None = None) -> torch.Tensor:
        """Embed a batch of sequences, of which `lengths` says how many steps each has."""
        steps = x.transpose(1, 2)
        if lengths is None:
            return self.project(self.dropout(self.convolve(steps).mean(dim=2)))
        padding = ~real_steps(x, lengths)[:, None]
        for layer in self.convolve:
            steps = layer(steps).masked_fill(padding, 0)
        mean = steps.sum(dim=2) / lengths.clamp(min=1)[:, None]
        return self.project(self.dropout(mean))


class GRUBackbone(nn.Module):
    """A gated recurrent unit read at its last step, for sequences ``(time, features)``.

    Of a sequence that is padded it is the last step before the padding.

    Parameters
    ----------
    input_shape : tuple of two int
        Length and number of features of a sequence.
    embedding_dim : int
        Size of the output.
    """

    def __init__(self, input_shape: tuple[int, ...], embedding_dim: int):
        super().__init__()
        self.recur = nn.GRU(input_shape[1], embedding_dim, batch_first=True)

    def forward(self, x: torch.Tensor, lengths: torch.Tensor | None = None) -> torch.Tensor:
        """Embed a batch of sequences, of which `lengths` says how many steps each has."""
        if lengths is None:
            return self.recur(x)[1][-1]
        read = self.recur(x)[0]
        last = (lengths - 1).clamp(min=0)[:, None, None].expand(-1, 1, read.shape[2])
        return read.gather(1, last)[:, 0]


BACKBONES: dict[str, type[nn.Module]] = {
    "mlp": MLPBackbone,
    "cnn": CNNBackbone,
    "sequence": SequenceBackbone,
    "gru": GRUBackbone,
}

_NEEDS_NDIM = {"cnn": (2, 3), "sequence": (2,), "gru": (2,)}


def make_backbone(name: str, choice: Any, input_shape: tuple[int, ...], **sizes: Any) -> nn.Module:
    """Build the backbone of modality `name`.

    Parameters
    ----------
    name : str
        The modality, for messages.
    choice : str, type or Module
        ``"auto"`` (by number of dimensions), a name in `BACKBONES`, a `torch.nn.Module` class
        (called with those of ``input_shape, embedding_dim, hidden_layer_sizes, dropout`` that its
        constructor takes) or an instance (copied, with its weights).
    input_shape : tuple of int
        Shape of one sample.
    **sizes
        ``embedding_dim``, ``hidden_layer_sizes``, ``dropout``.
    """
    if isinstance(choice, nn.Module):
        return copy.deepcopy(choice)
    if isinstance(choice, str):
        if choice == "auto":
            choice = {2: "sequence", 3: "cnn"}.get(len(input_shape), "mlp")
        if choice not in BACKBONES:
            raise ValueError(
                f"`backbones` for modality {name!r} must be 'auto', one of {sorted(BACKBONES)}, or "
                f"a torch.nn.Module; got {choice!r}."
            )
        needed = _NEEDS_NDIM.get(choice, (len(input_shape),))
        if len(input_shape) not in needed:
            dims = " or ".join(f"{n + 1}-D" for n in needed)
            raise ValueError(
                f"`backbones` gives {choice!r} to modality {name!r}, which needs {dims} input; its "
                f"samples have shape {input_shape}. Use 'mlp' or reshape the modality."
            )
        choice = BACKBONES[choice]
    if not (isinstance(choice, type) and issubclass(choice, nn.Module)):
        raise TypeError(
            f"`backbones` for modality {name!r} must be a name, a torch.nn.Module class or an "
            f"instance; got {choice!r}."
        )
    taken = inspect.signature(choice.__init__).parameters
    given = {"input_shape": input_shape, **sizes}
    return choice(**{key: value for key, value in given.items() if key in taken})


def make_backbones(
    choices: Any,
    shapes: Mapping[str, tuple[int, ...]],
    dtype: torch.dtype,
    sequences: Collection[str] = (),
    **sizes: Any,
) -> dict[str, tuple[nn.Module, int]]:
    """Build the backbone of every modality, with the size of the embedding it gives.

    Those of the user's modules are read off a dry run on two rows of zeros, so that any will do.
    The `sequences` are modalities of unequal numbers of steps (see `UnequalSteps`), and a module
    that cannot do without their lengths is told them anyway.
    """
    _check_widths(sizes.get("hidden_layer_sizes", ()))
    if isinstance(choices, Mapping):
        unknown = sorted(set(choices) - set(shapes))
        if unknown:
            raise ValueError(
                f"`backbones` names {unknown}, which are no modalities of `X`: {sorted(shapes)}."
            )
    else:
        choices = dict.fromkeys(shapes, choices)
    built = {}
    for name in sorted(shapes):
        module = make_backbone(name, choices.get(name, "auto"), shapes[name], **sizes).to(dtype)
        if name in sequences or needs_lengths(module):
            module = UnequalSteps(name, module)
        ours = isinstance(choices.get(name, "auto"), str)
        size = (
            sizes["embedding_dim"] if ours else _embedding_size(name, module, shapes[name], dtype)
        )
        built[name] = (module, size)
    return built


def not_ours(backbones: Any, names: Iterable[str]) -> list[str]:
    """Modalities whose backbone is the user's: it may write into its input, and gets a copy."""
    chosen = backbones if isinstance(backbones, dict) else dict.fromkeys(names, backbones)
    return [name for name in names if not isinstance(chosen.get(name, "auto"), str)]


def refuse_batch_statistics(network: nn.Module) -> None:
    """Refuse to train layers with batch normalisation on a single row."""
    for name, part in network.named_modules():
        if isinstance(part, nn.modules.batchnorm._BatchNorm):
            raise ValueError(
                f"`X` has one row, and {name!r} of the network, {type(part).__name__}, is batch "
                "normalisation, which needs two or more to train on. Give more rows at a time, or "
                "a backbone with LayerNorm."
            )


def _check_widths(widths: Any) -> None:
    for width in widths:
        if not isinstance(width, Integral) or width < 1:
            raise ValueError(
                f"`hidden_layer_sizes` must hold integers of at least 1; got {width!r} in "
                f"{widths!r}. Use () for no hidden layer."
            )


def _embedding_size(
    name: str, module: nn.Module, shape: tuple[int, ...], dtype: torch.dtype
) -> int:
    was_training = module.training
    with torch.no_grad():
        try:
            out = module.eval()(torch.zeros((2, *shape), dtype=dtype))
        except RuntimeError as error:
            raise ValueError(
                f"`backbones`: the module for {name!r} cannot take samples of shape {shape} "
                f"({error})."
            ) from error
    module.train(was_training)
    if not isinstance(out, torch.Tensor) or out.ndim != 2 or len(out) != 2:
        got = tuple(out.shape) if isinstance(out, torch.Tensor) else type(out).__name__
        raise ValueError(
            f"`backbones`: the module for {name!r} must return (batch, features); for two samples "
            f"of shape {shape} it gave {got}. Pool or flatten its output."
        )
    return out.shape[1]
