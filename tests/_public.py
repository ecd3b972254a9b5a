"""Public names of the package, and the rooms that they live in."""

import sk_mmbalance

#: By public name, its room.
HOMES = sk_mmbalance._HOMES
