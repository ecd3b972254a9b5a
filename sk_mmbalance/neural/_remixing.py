"""`DataRemixingClassifier`: rows train the modality that is least sure about them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from ..balancing import DataRemixing
from ..base import PublishedFormMixin
from ._choices import FusionChoice
from ._classifier import BaseMultimodalClassifier


@dataclass(kw_only=True, eq=False, repr=False)
class DataRemixingClassifier(
    PublishedFormMixin,
    FusionChoice,
    BaseMultimodalClassifier,
    preset_of=DataRemixing,
    called={"start_epoch": "remix_after"},
):
    """Joint training first; then each row trains the modality that is least sure about it.

    Trained together, a fast modality makes a slow one lazy. Here the first epochs are joint, with
    a loss per modality beside the fused one. After them, at the start of an epoch, every training
    row is given to the one of its modalities whose own prediction has the largest entropy, and
    trains that modality alone, in batches of one modality each. Networks of the other modalities
    are not run. Prediction is as ever, from all modalities.

    Parameters
    ----------
    fusion : str, type or torch.nn.Module, default="concat"
        As in `MultimodalClassifier`. A fusion of your own must do with a dict that holds some of
        the modalities only.
    unimodal_weight : float, default=0.5
        Weight of the sum of the modalities' own losses in joint epochs. 0 trains no heads of
        their own, and then ``predictor="mask"`` is in force.

    Attributes
    ----------
    history_ : DataFrame
        Has besides (see below) ``remixed``, whether the epoch was; ``n_skipped``, rows left out
        because they were alone in their subset; ``face__n_samples`` and ``face__share``, the rows
        that trained modality "face", and their share of all rows. In a remixed epoch accuracies
        and the modalities' own figures are those over all training rows at its beginning.

    Warns
    -----
    CollapseWarning
        If a modality's share of the rows that have it stays under 10 % (under half a fair share
        from six modalities on) for five remixed epochs.

    See Also
    --------
    MultimodalClassifier : With ``unimodal_weight=0.5`` the same without remixing, bit for bit: what
        ``remix_after=None`` gives.

    Notes
    -----
    `published` makes the published form, which has ``order="sequential", joint_every=None,
    fusion_weights=None``; its authors had two modalities, trained in the order
    ``["video", "audio"]`` (here: by name, unless `order` lists them), and held nothing out
    (``early_stopping=False``). The rule for missing modalities, `min_share`, `joint_every`,
    `temperature` and `criterion` are ours. The criterion asks for sureness, not for correctness.

    No row is seen with all modalities in a remixed epoch, so that probabilities tend to be too
    sure. With `partial_fit` a subset is a part of the rows of that call: chunks of a few dozen
    rows make poor batches. `partial_fit` and ``warm_start`` count epochs on and do not repeat the
    joint ones.

    References
    ----------
    .. [1] "Improving Multimodal Learning Balance and Sufficiency through Data Remixing",
       ICML 2025, arXiv 2506.11550.

    Examples
    --------
    >>> from sk_mmbalance import DataRemixingClassifier
    >>> from sk_mmbalance.datasets import load_digits_views
    >>> X, y = load_digits_views(return_X_y=True)
    >>> clf = DataRemixingClassifier(
    ...     remix_after=3, max_epochs=5, early_stopping=False, random_state=0
    ... )
    >>> clf = clf.fit(X[:1000], y[:1000])
    >>> bool(clf.score(X[1000:], y[1000:]) > 0.8)
    True
    >>> clf.history_["remixed"].tolist()
    [False, False, False, True, False]
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseMultimodalClassifier._parameter_constraints,
        **FusionChoice._fusion_constraints,
    }

    fusion: Any = "concat"
    unimodal_weight: Any = 0.5

    def _remixes_after(self) -> int | None:
        return None  # the method itself does
