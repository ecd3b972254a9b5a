"""Every balancing method as the loop of a script that knows what it is for.

For two modalities with complete rows, classes and no weights, with the default parameters of each
method and nothing to choose from. What a loop computes is what the method needs: the same network,
optimiser, batches, passes and formulae as the estimator's; of an epoch it keeps the fused loss and
the accuracy.
"""

from . import losses, rows, steps
from .loop import Loop

#: By the name of the method; three more are in `balancing.py` and `boosting.py`.
LOOPS: dict[str, type[Loop]] = {
    loop.__name__: loop
    for loop in (
        *(losses.CML, losses.DGL, losses.Independent, losses.LFM, losses.MBSD, losses.MCR),
        *(losses.MIDAS, losses.MMCosine, losses.PMR, losses.UMT),
        *(steps.AGM, steps.Greedy, steps.MLA, steps.MMPareto, steps.OGM, steps.Priority),
        *(steps.ReconBoost, rows.AMCo, rows.GradientBlending, rows.ModalityDropout, rows.OPM),
        *(rows.Relearning, rows.Valuation),
    )
}
