"""`SustainedBoostingClassifier`: more classifier heads for the modality that is behind."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from ..balancing import SustainedBoosting
from ..base import PublishedFormMixin
from ..networks import ModalityRows, MultimodalOutput, proba
from ._classifier import BaseMultimodalClassifier
from ._net import MultimodalNet


@dataclass(kw_only=True, eq=False, repr=False)
class SustainedBoostingClassifier(
    PublishedFormMixin, BaseMultimodalClassifier, preset_of=SustainedBoosting
):
    r"""Sustained boosting: heads are added to the modality that is behind, as training goes.

    Every modality has a classifier and a loss of its own, and is trained in its own steps. At
    intervals the modality that gives the least probability to the true classes gets one more
    head, which concentrates on the rows that the heads before it get wrong. The prediction is a
    mean of the modalities' logits.

    Attributes
    ----------
    n_heads_ : dict of str to int
        Number of heads of every modality.
    head_log_ : DataFrame
        One row for each head that was "added", "blocked" (by `max_heads`) or whose modality was
        "stopped" (by `head_patience`): ``epoch, modality, event, n_before, n_after, rule_value,
        discarded`` and the confidences. ``discarded`` marks heads that were lost when the best
        epoch was restored.
    confidence_ : dict of str to float
        Mean probability that each modality gives to the true class, over the training rows of the
        last epoch.

    See Also
    --------
    sk_mmbalance.MultimodalClassifier : Joint training, with or without a loss per modality.

    Notes
    -----
    With :math:`u_m` the embedding of modality :math:`m`, head :math:`t` gives
    :math:`z_{m,t} = W \operatorname{ReLU}(R_{m,t} u_m + b_{m,t}) + c` and the modality
    :math:`Z_m = \sum_t z_{m,t}`. Its loss is the cross-entropy of :math:`Z_m`, and, from the
    second head on, also that of all heads but the newest and that of the newest alone, the latter
    weighted as `residual_weight` says.

    `published` makes the published form, which has ``fused_weight=0.0, head_width=256,
    max_heads=None, head_patience=None``: no fused loss, larger heads, and nothing that stops their
    growth. One thing of the published code it leaves out: a check after the first epoch, besides
    those at every tenth of the training.

    With one modality no head is ever added: this is then ordinary training.

    ``set_params`` on the net inside (``net_``) with ``optimizer__...`` rebuilds the optimiser for
    all heads at hand; its momentum is lost.

    References
    ----------
    .. [1] Jiang, Huang, Yang, "Rethinking Multimodal Learning from the Perspective of Mitigating
       Classification Ability Disproportion", NeurIPS 2025, arXiv 2502.20120. The rule for any
       number of modalities, the stop rule, the cap on heads, the mean over heads and the fused
       loss are ours.

    Examples
    --------
    >>> from sk_mmbalance import SustainedBoostingClassifier
    >>> from sk_mmbalance.datasets import load_digits_views
    >>> X, y = load_digits_views(return_X_y=True)
    >>> clf = SustainedBoostingClassifier(max_epochs=5, early_stopping=False, random_state=0)
    >>> bool(clf.fit(X[:1000], y[:1000]).score(X[1000:], y[1000:]) > 0.7)
    True
    """

    # -- predicting ------------------------------------------------------------------------

    def staged_predict_proba(self, X: Any) -> Iterator[np.ndarray]:
        """Class probabilities with the first head of every modality, the first two, and so on.

        A modality that has fewer heads takes part with all of them. The last stage is
        `predict_proba`.

        Parameters
        ----------
        X : Modalities, dict, DataFrame or array of shape (n_samples, n_features)
            The modalities.

        Yields
        ------
        ndarray of shape (n_samples, n_classes)
            Probabilities in the order of ``classes_``.
        """
        _, rows = self._rows_for_prediction(X)
        fitted = self._fitted_fusion
        for stage in range(1, max(self.n_heads_.values()) + 1):
            output = _staged_output(self.net_, rows, stage)
            scores = output.logits if fitted is None else fitted.scores(output, rows.present)
            yield proba(self._target, scores).numpy()


def _staged_output(net: MultimodalNet, rows: ModalityRows, n_heads: int) -> MultimodalOutput:
    """Logits of all rows from the first `n_heads` heads of every modality."""
    module: Any = net.network.eval()
    parts = []
    with torch.inference_mode(), net.autocast():
        for X, _ in net.get_iterator(rows):
            embeddings = module.encode(X["inputs"], X.get("present"))
            parts.append(module.fusion(embeddings, X.get("present"), n_heads))
    wide = torch.float32 if net.amp else parts[0][0].dtype
    own = {m: torch.cat([z[m] for _, z in parts]).cpu().to(wide) for m in module.names}
    return MultimodalOutput(torch.cat([z for z, _ in parts]).cpu().to(wide), own)
