"""How the shape of a sample is read where it may be an image."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

from ..exceptions import ShapeWarning
from ..modalities import InputSpec

#: Numbers of channels that pictures have: grey, colour, colour with transparency.
_PICTURES = (1, 3, 4)
#: A square of so many is a picture rather than a short sequence of a few features.
_SMALLEST_PICTURE = 8


def as_image(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Channels, height and width of an image of this shape, which has two or three numbers.

    ``(channels, height, width)``; ``(height, width, channels)`` where the last number is one that
    pictures have, and the first is not; ``(height, width)`` is grey.
    """
    if len(shape) == 2:
        return (1, *shape)
    return (shape[2], *shape[:2]) if has_channels_last(shape) else tuple(shape)


def has_channels_last(shape: tuple[int, ...]) -> bool:
    """Whether an image of this shape has its channels last."""
    return len(shape) == 3 and shape[0] not in _PICTURES and shape[2] in _PICTURES


def warn_if_ambiguous(backbones: Any, spec: InputSpec, stacklevel: int = 4) -> None:
    """Say how the shape of a sample is read where the user leaves it open and it may be another.

    Parameters
    ----------
    backbones : str, dict, type or Module
        The estimator's parameter.
    spec : InputSpec
        What `fit` saw. Rows of unequal length are no images.
    stacklevel : int, default=4
        Where the warning points: by default the line that called `fit`, from `fit` itself, which
        has a wrapper.
    """
    for name, shape in spec.shapes.items():
        choice = backbones.get(name, "auto") if isinstance(backbones, Mapping) else backbones
        if not isinstance(choice, str) or len(shape) not in (2, 3) or name in spec.sequences:
            continue
        square = shape[0] == shape[1] >= _SMALLEST_PICTURE
        if choice == "auto" and len(shape) == 2 and square:
            said = (
                f"is read as sequences of {shape[0]} steps of {shape[1]} features. For grey images "
                f"set `backbones={{{name!r}: 'cnn'}}`, for sequences {{{name!r}: 'sequence'}}"
            )
        elif choice in ("auto", "cnn") and len(shape) == 3 and square and shape[2] < shape[0]:
            if has_channels_last(shape):
                continue
            said = (
                f"is read as images of {shape[0]} channels of {shape[1]} x {shape[2]}. If the "
                "channels stand last, bring them to the front (numpy.moveaxis(images, -1, 1))"
            )
        else:
            continue
        warnings.warn(
            f"`X` modality {name!r} with samples of shape {tuple(shape)} {said}.",
            ShapeWarning,
            stacklevel=stacklevel,
        )
