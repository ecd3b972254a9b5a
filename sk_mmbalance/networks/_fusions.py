"""Fusions: from the embeddings of the modalities at hand to class logits.

A fusion is called with a dict of embeddings ``(batch, dim_m)`` and, where rows may lack a
modality, a dict of presence masks ``(batch,)``. Modalities that are not in the dict are absent
from the whole batch. Embeddings of absent rows are zero. It returns the logits and, if the logits
are a sum over modalities, what each modality alone would give.
"""

from __future__ import annotations

import copy
import inspect
import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ._aligned import Aligned, each, masks_of, over, side_by_side, stacked_of, total, weights_of
from ._keys import ByModality
from ._target_loss import entropy

#: Gates of `GatedFusion` grow with the square of the number of modalities; a gigabyte of them.
_MOST_GATE_WEIGHTS = 2**28

Embeddings = dict[str, Tensor]
Presence = dict[str, Tensor] | None
Fused = tuple[Tensor, dict[str, Tensor] | None]


class ConcatFusion(nn.Module):
    """One linear layer on the concatenated embeddings, written as a sum over modalities.

    ``logits = sum_m W_m u_m + b`` is the same function as a layer on the concatenation, with the
    same initial distribution. Kept apart, the block of a modality that takes no part in a step
    gets no gradient at all, and the optimiser leaves it alone.
    """

    def __init__(self, dims: Mapping[str, int], n_classes: int):
        super().__init__()
        bound = 1 / math.sqrt(sum(dims.values()))
        maps = {m: nn.Linear(dims[m], n_classes, bias=False) for m in sorted(dims)}
        self.bias = nn.Parameter(torch.empty(n_classes))
        for linear in maps.values():
            nn.init.uniform_(linear.weight, -bound, bound)
        nn.init.uniform_(self.bias, -bound, bound)
        self.maps = ByModality(maps)

    def forward(self, embeddings: Embeddings, present: Presence = None) -> Fused:
        """Add up the modalities' contributions."""
        together = self._together(embeddings)
        if together is not None:
            return self.bias + together.sum(0), None
        logits: Tensor = self.bias
        for name, u in embeddings.items():
            weight: Any = self.maps[name].weight
            logits = torch.addmm(logits, u, weight.t())
        return logits, None

    def terms(self, embeddings: Embeddings, present: Presence = None) -> dict[str, Tensor]:
        """What each modality adds to the logits, the bias shared among those a row has."""
        together = self._together(embeddings)
        if together is not None:
            return _share_bias(Aligned(list(embeddings), together), self.bias, present)
        weights: Any = {m: self.maps[m].weight for m in embeddings}
        parts = {m: u @ weights[m].t() for m, u in embeddings.items()}
        return _share_bias(parts, self.bias, present)

    def each_alone(self, embeddings: Embeddings) -> dict[str, Tensor] | None:
        """Logits of every modality with all others masked, where all are computed as one."""
        together = self._together(embeddings)
        return None if together is None else Aligned(list(embeddings), together + self.bias)

    def _together(self, embeddings: Embeddings) -> Tensor | None:
        weights, together = weights_of(self.maps, embeddings), stacked_of(embeddings)
        if weights is None or together is None:
            return None
        return together @ weights.transpose(1, 2)


class SumFusion(nn.Module):
    """One linear layer on the sum of the embeddings (projected to one size if need be)."""

    def __init__(self, dims: Mapping[str, int], n_classes: int):
        super().__init__()
        self.project, size = _to_one_size(dims)
        self.out = nn.Linear(size, n_classes)

    def forward(self, embeddings: Embeddings, present: Presence = None) -> Fused:
        """Add up the embeddings, then classify."""
        return self.out(total(each(self.project, embeddings))), None

    def terms(self, embeddings: Embeddings, present: Presence = None) -> dict[str, Tensor]:
        """What each modality adds to the logits, the bias shared among those a row has."""
        weight = self.out.weight.t()
        parts = over(lambda u: u @ weight, each(self.project, embeddings))
        return _share_bias(parts, self.out.bias, present)

    def each_alone(self, embeddings: Embeddings) -> dict[str, Tensor]:
        """Logits of every modality with all others masked."""
        return over(self.out, each(self.project, embeddings))


class LateFusion(nn.Module):
    """Weighted mean of the logits of one linear head per modality.

    Weights are renormalised over the modalities present in a row, so that an absent modality's
    bias says nothing.

    Parameters
    ----------
    dims : mapping of str to int
        Sizes of the embeddings.
    n_classes : int
        Number of classes.
    weights : mapping of str to float, default=None
        Weight of each modality; None weighs them equally.
    """

    #: what each modality gives of its own is trained, not derived from the fusion
    gives_own_logits = True

    def __init__(
        self,
        dims: Mapping[str, int],
        n_classes: int,
        weights: Mapping[str, float] | None = None,
    ):
        super().__init__()
        self.heads = ByModality({m: nn.Linear(dims[m], n_classes) for m in dims})
        self.set_weights(weights)

    def forward(self, embeddings: Embeddings, present: Presence = None) -> Fused:
        """Average the heads' logits over the modalities present."""
        parts = each(self.heads, embeddings)
        return weighted_mean(parts, self.weights, present), parts

    def terms(self, embeddings: Embeddings, present: Presence = None) -> dict[str, Tensor]:
        """The logits of each modality's own head."""
        return each(self.heads, embeddings)

    def set_weights(self, weights: Mapping[str, float] | None) -> None:
        """Choose the weight of each modality; None weighs them equally."""
        self.weights = {m: 1.0 if weights is None else float(weights[m]) for m in self.heads}


class SharedHead(nn.Module):
    """One linear head for all modalities, and a mean of what it makes of each.

    Parameters
    ----------
    dims : mapping of str to int
        Sizes of the embeddings; unequal ones are brought to the largest by a map without bias.
    n_classes : int
        Number of classes.
    weights : mapping of str to float, default=None
        Weight of each modality; None weighs them equally.
    by_certainty : bool, default=True
        Whether a row's modalities are weighed by ``exp(-entropy)`` besides.
    """

    #: what each modality gives of its own is trained, not derived from the fusion
    gives_own_logits = True

    def __init__(
        self,
        dims: Mapping[str, int],
        n_classes: int,
        weights: Mapping[str, float] | None = None,
        by_certainty: bool = True,
    ):
        super().__init__()
        self.project, size = _to_one_size(dims)
        self.head = nn.Linear(size, n_classes)
        self.by_certainty = by_certainty
        self.set_weights(weights)

    def set_weights(self, weights: Mapping[str, float] | None) -> None:
        """Choose the weight of each modality; None weighs them equally."""
        self.weights = {m: 1.0 if weights is None else float(weights[m]) for m in self.project}

    def forward(self, embeddings: Embeddings, present: Presence = None) -> Fused:
        """Fused logits, and those of each modality."""
        parts = self.terms(embeddings, present)
        return self.fuse(parts, present), parts

    def terms(self, embeddings: Embeddings, present: Presence = None) -> dict[str, Tensor]:
        """What the head makes of each modality."""
        return over(self.head, each(self.project, embeddings))

    def fuse(self, parts: Mapping[str, Tensor], present: Presence = None) -> Tensor:
        """Mean of the modalities' logits over those present."""
        if not self.by_certainty:
            return weighted_mean(parts, self.weights, present)
        together = stacked_of(parts)
        rows = side_by_side(parts)
        if together is None:
            unsure = entropy(rows.flatten(0, 1)).view(rows.shape[:2])
        else:
            unsure = entropy(together.flatten(0, 1)).view(together.shape[:2]).t()
        scores = -unsure
        if any(self.weights[m] != 1 for m in parts):
            scores = scores + scores.new_tensor([math.log(self.weights[m]) for m in parts])
        if present is not None:
            scores = scores.masked_fill(
                ~masks_of(present, parts).t(), torch.finfo(scores.dtype).min
            )
        shares = scores.softmax(dim=1)
        return (shares[:, :, None] * rows).sum(dim=1)

    def no_logits(self, n_rows: int) -> Tensor:
        """What stands for a modality that no row of a batch has."""
        return self.head.bias.new_zeros((n_rows, len(self.head.bias)))


class GatedFusion(nn.Module):
    """Per-feature gates, a softmax over the modalities present (gated multimodal unit).

    References
    ----------
    .. [1] Arevalo, Solorio, Montes-y-Gomez, Gonzalez, "Gated Multimodal Units for Information
       Fusion", ICLR 2017 workshop, generalised here from two modalities to any number.
    """

    def __init__(self, dims: Mapping[str, int], n_classes: int):
        super().__init__()
        size = max(dims.values())
        n_weights = sum(dims.values()) * size * len(dims)
        if n_weights > _MOST_GATE_WEIGHTS:
            raise ValueError(
                f"`fusion='gated'` has gates from every modality to every other, {n_weights:,} "
                f"weights for {len(dims)} modalities; it takes at most {_MOST_GATE_WEIGHTS:,}. Use "
                "'concat', 'sum', 'late' or 'film', or a smaller `embedding_dim`."
            )
        self.names = sorted(dims)
        self.size = size
        self.transform = ByModality({m: nn.Linear(dims[m], size) for m in dims})
        self.gates = ByModality({m: nn.Linear(dims[m], size * len(dims)) for m in dims})
        self.out = nn.Linear(size, n_classes)

    def forward(self, embeddings: Embeddings, present: Presence = None) -> Fused:
        """Mix the transformed embeddings by their gates, then classify."""
        names = list(embeddings)
        columns = [self.names.index(m) for m in names]
        # an absent modality has no say in the gates
        masked = _kept(each(self.gates, embeddings), present)
        scores = total(masked).unflatten(1, (len(self.names), self.size))[:, columns]
        if present is not None:
            absent = ~masks_of(present, names).t()
            scores = scores.masked_fill(absent[:, :, None], -math.inf)
        values = side_by_side(over(torch.tanh, each(self.transform, embeddings)))
        return self.out((scores.softmax(dim=1) * values).sum(dim=1)), None


class FiLMFusion(nn.Module):
    """Each embedding is scaled and shifted by what the other modalities say, then concatenated.

    The context of a modality is the mean of the other present modalities' projected embeddings.

    References
    ----------
    .. [1] Perez, Strub, de Vries, Dumoulin, Courville, "FiLM: Visual Reasoning with a General
       Conditioning Layer", AAAI 2018; the symmetric form for any number of modalities is ours.
    """

    def __init__(self, dims: Mapping[str, int], n_classes: int):
        super().__init__()
        size = max(dims.values())
        self.context = ByModality({m: nn.Linear(dims[m], size) for m in dims})
        self.film = ByModality({m: nn.Linear(size, 2 * dims[m]) for m in dims})
        self.concat = ConcatFusion(dims, n_classes)

    def forward(self, embeddings: Embeddings, present: Presence = None) -> Fused:
        """Modulate each embedding by the others, then classify."""
        gates = self.gates(embeddings, present)
        return self.concat(self.modulated(embeddings, gates, present), present)[0], None

    def each_alone(self, embeddings: Embeddings) -> dict[str, Tensor] | None:
        """Logits of every modality with all others masked, where all are computed as one."""
        together = stacked_of(embeddings)
        context: Any = next(iter(self.context[m] for m in embeddings))
        assert together is not None
        nothing = together.new_zeros((*together.shape[:2], context.out_features))
        gates = each(self.film, Aligned(list(embeddings), nothing))
        return self.concat.each_alone(self.modulated(embeddings, gates))

    def gates(self, embeddings: Embeddings, present: Presence = None) -> dict[str, Tensor]:
        """Scale and shift of each embedding, side by side, from what the others say."""
        said = _kept(each(self.context, embeddings), present)
        if stacked_of(said) is not None:
            context = _of_the_others(said, total(said), present)
            return each(self.film, Aligned(list(said), context))
        if len(said) == 2:  # nothing to add up, and nothing to divide by
            first, second = said
            return {
                first: self.film[first](said[second]),
                second: self.film[second](said[first]),
            }
        all_say = total(said)
        count: Any = len(said)
        if present is not None:
            count = _total([present[m].to(all_say.dtype) for m in said])[:, None]
        gates = {}
        for m in embeddings:
            here: Any = 1 if present is None else present[m].to(all_say.dtype)[:, None]
            others = count - here
            others = max(others, 1) if present is None else others.clamp_min(1)
            gates[m] = self.film[m]((all_say - said[m]) / others)
        return gates

    def modulated(
        self, embeddings: Embeddings, gates: Mapping[str, Tensor], present: Presence = None
    ) -> dict[str, Tensor]:
        """Embeddings, scaled and shifted."""
        gated, together = stacked_of(gates), stacked_of(embeddings)
        if gated is not None and together is not None and list(gates) == list(embeddings):
            scale, shift = gated.chunk(2, dim=2)
            bent = torch.relu((1 + scale) * together + shift)
            return _kept(Aligned(list(embeddings), bent), present)
        modulated = {}
        for m, u in embeddings.items():
            scale, shift = gates[m].chunk(2, dim=1)
            modulated[m] = _keep(torch.relu((1 + scale) * u + shift), present, m)
        return modulated


class TransformerFusion(nn.Module):
    """One token per modality and a class token through a transformer; absent tokens are masked.

    References
    ----------
    .. [1] "Fusion or Confusion? Multimodal Complexity Is Not All You Need", arXiv 2512.22991: a
       transformer over one token per modality as the strong simple baseline (SimBaMM).
    """

    def __init__(
        self, dims: Mapping[str, int], n_classes: int, n_layers: int = 1, dropout: float = 0.0
    ):
        super().__init__()
        self.project, size = _to_one_size(dims, always=True)
        self.names = sorted(dims)
        self.place = nn.Parameter(torch.randn(len(dims), size) * 0.02)
        self.summary = nn.Parameter(torch.randn(1, 1, size) * 0.02)
        heads = next(h for h in (4, 2, 1) if size % h == 0)
        layer = nn.TransformerEncoderLayer(
            size, heads, 2 * size, dropout=dropout, batch_first=True, norm_first=True
        )
        self.encoder = nn.TransformerEncoder(layer, n_layers, enable_nested_tensor=False)
        self.norm = nn.LayerNorm(size)
        self.out = nn.Linear(size, n_classes)

    def forward(self, embeddings: Embeddings, present: Presence = None) -> Fused:
        """Read the class token after attention over the modalities present."""
        names = list(embeddings)
        projected = each(self.project, embeddings)
        if stacked_of(projected) is None:
            place = {m: self.place[self.names.index(m)] for m in names}
            tokens = torch.stack([projected[m] + place[m] for m in names], dim=1)
        else:
            chosen = set(names)
            places = [k for k, m in enumerate(self.names) if m in chosen]
            tokens = side_by_side(projected) + self.place[places]
        tokens = torch.cat([self.summary.expand(tokens.shape[0], -1, -1), tokens], dim=1)
        mask = None
        if present is not None:
            absent = ~masks_of(present, names).t()
            mask = torch.cat([absent.new_zeros(absent.shape[0], 1), absent], dim=1)
        return self.out(self.norm(self.encoder(tokens, src_key_padding_mask=mask)[:, 0])), None


FUSIONS: dict[str, type[nn.Module]] = {
    "concat": ConcatFusion,
    "sum": SumFusion,
    "late": LateFusion,
    "gated": GatedFusion,
    "film": FiLMFusion,
    "transformer": TransformerFusion,
}


def make_fusion(choice: Any, dims: Mapping[str, int], n_classes: int, **options: Any) -> nn.Module:
    """Build a fusion from a name in `FUSIONS`, a `torch.nn.Module` class, or an instance.

    A class of the user's is called with ``dims`` and ``n_classes``; a module of the user's may
    return the logits alone.
    """
    if isinstance(choice, nn.Module):
        return copy.deepcopy(choice)
    if isinstance(choice, str):
        if choice not in FUSIONS:
            raise ValueError(
                f"`fusion` must be one of {sorted(FUSIONS)} or a torch.nn.Module; got {choice!r}."
            )
        choice = FUSIONS[choice]
    if not (isinstance(choice, type) and issubclass(choice, nn.Module)):
        raise TypeError(
            f"`fusion` must be one of {sorted(FUSIONS)}, a torch.nn.Module class or an instance; "
            f"got {choice!r}."
        )
    taken = inspect.signature(choice.__init__).parameters
    return choice(dims, n_classes, **{k: v for k, v in options.items() if k in taken})


class _EachAlone(nn.Module):
    """A fusion as what it makes of every modality by itself."""

    def __init__(self, fusion: nn.Module):
        super().__init__()
        self.fusion: Any = fusion

    def forward(self, embeddings: Embeddings) -> dict[str, Tensor] | None:
        return self.fusion.each_alone(embeddings)


def fused_alone(fusion: nn.Module, embeddings: Embeddings) -> dict[str, Tensor]:
    """Logits that a fusion makes of each embedding by itself, the others masked.

    Gradients reach the embeddings and not the fusion, whose weights are held fixed.
    """
    fixed = {key: p.detach() for key, p in fusion.named_parameters()}
    if stacked_of(embeddings) is not None and hasattr(fusion, "each_alone"):
        held = {f"fusion.{key}": p for key, p in fixed.items()}
        whole = torch.func.functional_call(_EachAlone(fusion), held, (embeddings,))
        if whole is not None:
            return whole
    logits = {}
    for name, u in embeddings.items():
        fused = torch.func.functional_call(fusion, fixed, ({name: u}, None))
        logits[name] = fused[0] if isinstance(fused, tuple) else fused
    return logits


def weighted_mean(
    logits: Mapping[str, Tensor], weights: Mapping[str, float], present: Presence
) -> Tensor:
    """Weighted mean of unimodal logits over the modalities present in each row."""
    together = stacked_of(logits)
    if together is not None:
        share = together.new_tensor([weights[m] for m in logits])[:, None, None]
        if present is None:
            return (together * (share / share.sum())).sum(0)
        share = share * masks_of(present, logits).to(together.dtype)[:, :, None]
        scale = share.sum(0).clamp_min(torch.finfo(share.dtype).tiny)
        return (together * (share / scale)).sum(0)
    if present is None:
        sum_of_weights = sum(weights[m] for m in logits)
        return _total([z * (weights[m] / sum_of_weights) for m, z in logits.items()])
    shares = {m: present[m].to(z.dtype) * weights[m] for m, z in logits.items()}
    scale = _total(list(shares.values()))
    scale = scale.clamp_min(torch.finfo(scale.dtype).tiny)  # rows that have none of these
    return _total([z * (shares[m] / scale)[:, None] for m, z in logits.items()])


def _share_bias(parts: Mapping[str, Tensor], bias: Tensor, present: Presence) -> dict[str, Tensor]:
    """Give every modality that a row has an equal part of the bias."""
    together = stacked_of(parts)
    if together is not None and present is not None:
        there = masks_of(present, parts).to(bias.dtype)[:, :, None]
        return Aligned(list(parts), together + there / there.sum(0).clamp_min(1) * bias)
    if together is not None:
        return Aligned(list(parts), together + bias / len(parts))
    if present is None:
        share = bias / len(parts)
        return {m: z + share for m, z in parts.items()}
    here = {m: present[m].to(bias.dtype)[:, None] for m in parts}
    number = _total(list(here.values())).clamp_min(1)
    return {m: z + here[m] / number * bias for m, z in parts.items()}


def _total(terms: list[Tensor]) -> Tensor:
    total = terms[0]
    for term in terms[1:]:
        total = total + term
    return total


def _keep(value: Tensor, present: Presence, name: str) -> Tensor:
    """Zero in rows that lack the modality."""
    return value if present is None else value.masked_fill(~present[name][:, None], 0)


def _kept(values: dict[str, Tensor], present: Presence) -> dict[str, Tensor]:
    """Zero in rows that lack a modality."""
    together = stacked_of(values)
    if present is None:
        return values
    if together is None:
        return {m: _keep(value, present, m) for m, value in values.items()}
    absent = ~masks_of(present, values)[:, :, None]
    return Aligned(list(values), together.masked_fill(absent, 0))


def _of_the_others(said: dict[str, Tensor], all_say: Tensor, present: Presence) -> Tensor:
    """Mean of what the other modalities say, of shape (n_modalities, n_rows, size)."""
    together = stacked_of(said)
    assert together is not None
    if present is None:
        return (all_say - together) / max(len(said) - 1, 1)
    here = masks_of(present, said).to(all_say.dtype)[:, :, None]
    return (all_say - together) / (here.sum(0) - here).clamp_min(1)


def _to_one_size(dims: Mapping[str, int], always: bool = False) -> tuple[ByModality, int]:
    size = max(dims.values())
    same = not always and len(set(dims.values())) == 1
    return (
        ByModality({m: nn.Identity() if same else _project(dims[m], size) for m in dims}),
        size,
    )


def _project(before: int, after: int) -> nn.Linear:
    # Without a bias an absent (zero) embedding stays zero.
    return nn.Linear(before, after, bias=False)
