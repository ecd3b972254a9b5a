"""The fused loss, and the modalities' own beside it."""

import pytest
import torch

from sk_mmbalance.networks import ClassLoss, MultimodalOutput, joint_loss


@pytest.mark.parametrize("own", [0.0, 0.5, 1.0])
def test_joint_loss_is_that_of_the_fused_outputs_and_the_weighted_sum_of_the_others(own):
    generator = torch.Generator().manual_seed(0)
    z = {name: torch.randn(8, 3, generator=generator) for name in ("fused", "a", "b")}
    y = torch.arange(8) % 3
    weight = torch.arange(1.0, 9.0)
    output = MultimodalOutput(z["fused"], {name: z[name] for name in ("a", "b")})

    def mean(logits):
        rows = torch.nn.functional.cross_entropy(logits, y, reduction="none")
        return (weight * rows).sum() / weight.sum()

    expected = mean(z["fused"]) + own * (mean(z["a"]) + mean(z["b"]))
    criterion = ClassLoss(reduction="none")
    for given in (own, torch.tensor(own)):
        found = joint_loss(criterion, output, y, {"weight": weight}, given)
        torch.testing.assert_close(found, expected)
