"""What server and clients say to each other: named groups of arrays, and plain values.

Nothing here knows how messages travel. Both kinds of content are what any transport can carry bit
for bit: numpy arrays under a group and a name, and scalars, strings or lists of these.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

#: One group is e.g. ``"model"``: the arrays of a state dict by their keys.
Arrays = dict[str, dict[str, np.ndarray]]
Scalar = bool | int | float | str
Config = dict[str, Scalar | list[Scalar]]

#: What a client keeps between its orders; it never leaves the client.
Memory = Arrays

#: Kinds of order. ``describe`` asks for a client's number of rows and modalities, ``probe`` is
#: training that nobody aggregates, ``evaluate`` measures the model on the client's rows.
KINDS = ("describe", "probe", "train", "evaluate")


@dataclass(frozen=True)
class Order:
    """What the server asks of one client.

    Attributes
    ----------
    kind : {"describe", "probe", "train", "evaluate"}
        What to do.
    arrays : dict of str to dict of str to ndarray
        Groups of arrays: ``model`` (a state dict), and what a method adds.
    config : dict of str to scalar, str or list of these
        For training: ``round, seed, lr, epochs, modalities``.
    """

    kind: str
    arrays: Arrays = field(default_factory=dict)
    config: Config = field(default_factory=dict)


@dataclass(frozen=True)
class Reply:
    """What a client answers.

    Attributes
    ----------
    arrays : dict of str to dict of str to ndarray
        ``model``: the blocks that were trained; and what a method adds.
    config : dict of str to scalar, str or list of these
        ``n`` (weight of the rows), ``modalities``, and what the kind of order or a method adds.
    """

    arrays: Arrays = field(default_factory=dict)
    config: Config = field(default_factory=dict)


@dataclass(frozen=True)
class Failure:
    """A client that gave no reply.

    Attributes
    ----------
    reason : str
        What is known of the cause, for the log.
    """

    reason: str


def n_bytes(message: Order | Reply | Failure) -> int:
    """Size of a message: its arrays, 8 bytes a number, one byte a letter."""
    if isinstance(message, Failure):
        return 0
    arrays = sum(a.nbytes for group in message.arrays.values() for a in group.values())
    return arrays + sum(_plain_size(value) for value in message.config.values())


def _plain_size(value: Scalar | list[Scalar]) -> int:
    if isinstance(value, list):
        return sum(_plain_size(item) for item in value)
    # a client may send what is no text
    return len(value.encode(errors="surrogatepass")) if isinstance(value, str) else 8


def copy_arrays(arrays: Arrays) -> Arrays:
    """Groups of new arrays with the same values."""
    return {
        group: {key: np.array(value) for key, value in named.items()}
        for group, named in arrays.items()
    }
