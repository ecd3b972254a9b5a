"""Many encoders of one form are run as one, and give what each would give by itself."""

import copy
import pickle

import pytest
import torch
from torch import Tensor, nn

from sk_mmbalance.networks import (
    FEWEST,
    FUSIONS,
    Aligned,
    ClassLoss,
    Dropout,
    EpochLog,
    LabelLoss,
    MultimodalModule,
    MultimodalOutput,
    SharedHead,
    fused_alone,
    joint_loss,
    make_backbones,
    masks_of,
    over,
    safe_key,
    stacked_of,
)

SIZES = {"embedding_dim": 8, "hidden_layer_sizes": (6,)}
MANY = [f"m{k:02d}" for k in range(FEWEST + 2)]


def network(fusion="concat", heads=False, names=MANY, odd=False, dropout=0.0, seed=0):
    torch.manual_seed(seed)
    shapes = dict.fromkeys(names, (3,)) | ({"odd": (4,)} if odd else {})
    built = make_backbones("auto", shapes, torch.float64, dropout=dropout, **SIZES)
    dims = {name: size for name, (_, size) in built.items()}
    made = (SharedHead if fusion == "shared" else FUSIONS[fusion])(dims, 3)
    own = {name: nn.Linear(8, 3) for name in dims} if heads else None
    return MultimodalModule({m: b for m, (b, _) in built.items()}, made, own).double()


def rows(module, missing=False, n=7):
    generator = torch.Generator().manual_seed(1)
    inputs = {
        m: torch.randn(n, 4 if m == "odd" else 3, generator=generator, dtype=torch.float64)
        for m in module.names
    }
    if not missing:
        return inputs, None
    return inputs, {m: torch.rand(n, generator=generator) > 0.4 for m in module.names}


def loss_of(module, inputs, present, weight=None, y=None):
    y = torch.arange(7) % 3 if y is None else y
    criterion = ClassLoss(reduction="none") if y.ndim == 1 else LabelLoss()
    output = module(inputs, present)
    batch = {"present": present} if present is not None else {}
    if weight is not None:
        batch["weight"] = weight
    own = 0.3 if module.has_own_logits else 0.0
    return output, joint_loss(criterion, output, y, batch, own)


def assert_like_the_loop(module, present_too, **kwargs):
    inputs, present = rows(module, present_too)
    apart = copy.deepcopy(module)
    apart.apart = True
    together, loss = loss_of(module, inputs, present, **kwargs)
    each, loop_loss = loss_of(apart, inputs, present, **kwargs)
    assert stacked_of(each.embeddings) is None
    loss.backward()
    loop_loss.backward()
    torch.testing.assert_close(loss, loop_loss)
    torch.testing.assert_close(together.logits, each.logits)
    torch.testing.assert_close(dict(together.embeddings), each.embeddings)
    torch.testing.assert_close(dict(together.unimodal), each.unimodal)
    for (name, a), b in zip(module.named_parameters(), apart.parameters(), strict=True):
        assert (a.grad is None) == (b.grad is None), name
        torch.testing.assert_close(a.grad, b.grad)
    return together


@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("heads", [False, True])
@pytest.mark.parametrize("fusion", [*FUSIONS, "shared"])
def test_outputs_losses_and_gradients_are_those_of_the_loop(fusion, heads, missing):
    together = assert_like_the_loop(network(fusion, heads), missing)
    assert stacked_of(together.embeddings) is not None


@pytest.mark.parametrize("fusion", FUSIONS)
def test_a_modality_of_another_shape_among_them_changes_nothing(fusion):
    together = assert_like_the_loop(network(fusion, odd=True), True)
    assert stacked_of(together.embeddings) is not None


@pytest.mark.parametrize("labels", [False, True])
def test_weighted_rows_and_labels(labels):
    weight = torch.linspace(0.5, 2, 7, dtype=torch.float64)
    y = (torch.arange(21).view(7, 3) % 2).double() if labels else None
    assert_like_the_loop(network("late"), True, weight=weight, y=y)


def test_below_the_fewest_no_bit_differs_from_the_loop():
    module = network(names=MANY[: FEWEST - 1])
    inputs, _ = rows(module)
    embeddings = module.encode(inputs)
    assert stacked_of(embeddings) is None
    assert all(torch.equal(u, module.backbones[m](inputs[m])) for m, u in embeddings.items())


def test_what_stands_in_absent_rows_changes_no_bit():
    module = network("late", heads=True)
    inputs, present = rows(module, missing=True)
    filled = {m: torch.where(present[m][:, None], x, float("nan")) for m, x in inputs.items()}
    one, other = module(inputs, present), module(filled, present)
    assert torch.equal(one.logits, other.logits)


def test_modalities_that_are_not_there_get_no_gradient():
    module = network()
    inputs, _ = rows(module)
    del inputs[MANY[0]]
    module(inputs).logits.sum().backward()
    assert all(p.grad is None for p in module.backbones[MANY[0]].parameters())
    assert all(p.grad is not None for p in module.backbones[MANY[1]].parameters())


def test_a_hook_on_one_encoder_is_called():
    module, seen = network(), []
    inputs, _ = rows(module)
    module.encode(inputs)
    handle = module.backbones[MANY[3]].register_forward_hook(lambda *args: seen.append(1))
    module.encode(inputs)
    assert seen == [1]
    handle.remove()
    assert stacked_of(module.encode(inputs)) is not None


def test_an_encoder_that_is_put_in_place_of_another_is_used():
    module = network()
    inputs, _ = rows(module)
    module.encode(inputs)
    module.backbones[MANY[0]][0] = nn.Linear(3, 6, bias=False).double()
    expected = module.backbones[MANY[0]](inputs[MANY[0]])
    torch.testing.assert_close(module.encode(inputs)[MANY[0]], expected)


def test_dropout_drops_in_training_alone_and_of_every_modality_something_else():
    module = network(dropout=0.5)
    assert any(type(part) is Dropout for part in module.modules())
    inputs = dict.fromkeys(MANY, torch.ones(7, 3, dtype=torch.float64))
    for m in MANY[1:]:
        module.backbones[m].load_state_dict(module.backbones[MANY[0]].state_dict())
    dropped = stacked_of(module.encode(inputs))
    assert not torch.equal(dropped[0], dropped[1])
    kept = stacked_of(module.eval().encode(inputs))
    torch.testing.assert_close(kept[0], kept[1])


def test_copies_and_pickles_forget_how_encoders_were_grouped():
    module = network()
    inputs, _ = rows(module)
    expected = module(inputs).logits
    for other in (copy.deepcopy(module), pickle.loads(pickle.dumps(module))):
        assert torch.equal(other(inputs).logits, expected)
        with torch.no_grad():
            other.backbones[MANY[0]][0].weight.zero_()
        assert not torch.equal(other(inputs).logits, expected)


def test_aligned_tensors_that_are_changed_are_a_plain_dict():
    values = Aligned(["a", "b"], torch.eye(2))
    values["a"] = torch.zeros(2)
    assert stacked_of(values) is None
    for change in ("clear", "popitem"):
        values = Aligned(["a", "b"], torch.eye(2))
        getattr(values, change)()
        assert stacked_of(values) is None
    assert type(copy.deepcopy(Aligned(["a"], torch.eye(1)))) is dict


def test_gates_of_too_many_modalities_are_refused_in_words():
    with pytest.raises(ValueError, match="`fusion='gated'` has gates from every modality"):
        FUSIONS["gated"](dict.fromkeys(map(str, range(1000)), 64), 2)


@pytest.mark.parametrize("missing", [False, True])
def test_figures_of_an_epoch_are_those_of_each_modality(missing):
    module = network("late")
    inputs, present = rows(module, missing)
    logs = []
    for change in (lambda own: own, dict):
        log = EpochLog(MANY, ClassLoss(reduction="none"))
        for weight in (1.0, 2.0):
            X = {"weight": torch.full((7,), weight, dtype=torch.float64)}
            X |= {} if present is None else {"present": present}
            output = module(inputs, present)
            output = MultimodalOutput(output.logits, change(output.unimodal))
            log.add(torch.tensor(1.0), output, (X, torch.arange(7) % 3))
        logs.append(log.summary("train"))
    assert logs[0] == pytest.approx(logs[1], nan_ok=True)


def test_cut_late_it_keeps_the_graph_it_was_made_in():
    weight = torch.ones(3, requires_grad=True)
    made = Aligned(["a", "b"], torch.ones(2, 3) * weight)
    with torch.no_grad():
        part = made["a"]
    assert part.requires_grad
    part.sum().backward()
    assert weight.grad.tolist() == [1, 1, 1]


@pytest.mark.parametrize(
    "copied",
    [dict, lambda d: {**d}, lambda d: d | {}, lambda d: {} | d, copy.copy, lambda d: d.copy()],
)
def test_a_copy_of_what_is_not_cut_yet_has_its_slices(copied):
    made = copied(Aligned(["a", "b"], torch.arange(4.0).view(2, 2)))
    assert {name: part.tolist() for name, part in made.items()} == {"a": [0, 1], "b": [2, 3]}
    assert stacked_of(made) is None


class Doubled(nn.Linear):
    """An encoder of the user's."""

    def __init__(self, n_inputs, n_outputs=8):
        super().__init__(n_inputs, n_outputs)

    def forward(self, x):
        return 2 * super().forward(x)


@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("what", ["encoder", "activation", "head", "width", "mode", "images"])
def test_what_differs_among_many_is_computed_as_in_the_loop(what, missing):
    module = network("late", heads=True)
    first = MANY[0]
    if what == "encoder":
        module.backbones.add_module(safe_key(first), Doubled(3).double())
    if what == "activation":
        for name in MANY[:2]:
            layers = module.backbones[name]
            place = next(k for k, layer in enumerate(layers) if isinstance(layer, nn.ReLU))
            layers[place] = nn.Tanh()
    if what == "head":
        module.heads.add_module(safe_key(first), nn.Sequential(nn.Linear(8, 3)).double())
    if what == "width":
        dims = dict.fromkeys(MANY, 8) | {first: 5}
        encoders = {m: module.backbones[m] for m in MANY} | {first: Doubled(3, 5)}
        module = MultimodalModule(encoders, FUSIONS["late"](dims, 3)).double()
    if what == "mode":
        module.backbones[first].eval()
    inputs, present = rows(module, missing)
    if what == "images":
        shapes = dict.fromkeys(MANY, (3, 2))
        built = make_backbones("mlp", shapes, torch.float64, dropout=0.0, **SIZES)
        encoders = {m: b for m, (b, _) in built.items()}
        module = MultimodalModule(encoders, FUSIONS["late"](dict.fromkeys(MANY, 8), 3)).double()
        inputs = {m: torch.stack([x, x + 1], dim=2) for m, x in inputs.items()}
    apart = copy.deepcopy(module)
    apart.apart = True
    found, expected = module(inputs, present), apart(inputs, present)
    torch.testing.assert_close(found.logits, expected.logits)
    torch.testing.assert_close(dict(found.unimodal), dict(expected.unimodal))


def test_a_few_of_many_are_encoded_one_by_one():
    module = network()
    inputs, _ = rows(module)
    few = {m: inputs[m] for m in MANY[:3]}
    embeddings = module.encode(few)
    assert stacked_of(embeddings) is None
    assert all(torch.equal(u, module.backbones[m](few[m])) for m, u in embeddings.items())


def test_masks_that_are_slices_of_one_are_those_by_modality():
    module = network("late", heads=True)
    inputs, present = rows(module, missing=True)
    together = Aligned(MANY, torch.stack(list(present.values())))
    assert torch.equal(module(inputs, together).logits, module(inputs, present).logits)
    assert masks_of(together, MANY) is together.stacked
    some = MANY[2:5]
    assert torch.equal(masks_of(together, some), masks_of(present, some))


@pytest.mark.parametrize("missing", [False, True])
def test_terms_of_many_are_those_of_each(missing):
    module = network("concat")
    inputs, present = rows(module, missing)
    embeddings = module.encode(inputs, present)
    terms = module.fusion.terms(embeddings, present)
    assert stacked_of(terms) is not None
    torch.testing.assert_close(dict(terms), module.fusion.terms(dict(embeddings), present))
    torch.testing.assert_close(sum(terms.values()), module.fusion(embeddings, present)[0])


@pytest.mark.parametrize("watched", [False, True])
@pytest.mark.parametrize("fusion", ["concat", "late", "gated"])
def test_each_alone_is_what_the_fusion_makes_of_it_by_itself(fusion, watched):
    module, seen = network(fusion), []
    if watched and fusion == "concat":
        hook = lambda *_: seen.append(1)  # noqa: E731
        module.fusion.maps[MANY[0]].register_forward_hook(hook)
    embeddings = module.encode(rows(module)[0])
    alone = fused_alone(module.fusion, embeddings)
    again = module.each_alone(embeddings)
    for name in MANY:
        expected = module.alone(name, embeddings[name])
        torch.testing.assert_close(alone[name], expected)
        torch.testing.assert_close(again[name], expected)
    sum(z.square().sum() for z in alone.values()).backward()
    assert all(p.grad is None for p in module.fusion.parameters())
    assert module.backbones[MANY[0]][0].weight.grad is not None


@pytest.mark.parametrize("change", ["half", "measured less often"])
def test_figures_of_an_epoch_in_halves_and_of_some_batches_alone(change):
    module = network("late")
    inputs, _ = rows(module)
    logs = []
    for form in (lambda own: own, dict):
        log = EpochLog(MANY, ClassLoss(reduction="none"))
        for k, weight in enumerate((1.0, 2.0)):
            X = {"weight": torch.full((7,), weight, dtype=torch.float64)}
            output = module(inputs)
            own = form(output.unimodal)
            if change == "half":
                own = over(Tensor.half, own)
            batch = (X, (torch.arange(7) + k) % 3)
            measured = change == "half" or k == 1
            log.add(torch.tensor(1.0), MultimodalOutput(output.logits, own), batch, measured)
        logs.append(log.summary("train"))
    assert logs[0] == pytest.approx(logs[1])
