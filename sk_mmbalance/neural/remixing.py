"""`DataRemixingClassifier`: rows train the modality that is least sure about them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, ClassVar

from sklearn.utils._param_validation import Interval, StrOptions

from ..base import PublishedFormMixin
from ..networks import LateFusion
from .joint import MultimodalClassifier
from .remix import Remixing


@dataclass(kw_only=True, eq=False, repr=False)
class DataRemixingClassifier(PublishedFormMixin, MultimodalClassifier):
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
    gamma : float or dict of str to float, default=1.0
        Weight of the modality's own loss in a batch of that modality; a modality that a dict does
        not name has 1.
    order : {"shuffled", "sequential"}, default="shuffled"
        Order of the batches of a remixed epoch: all modalities mixed, or (published) one modality
        after the other.
    min_share : float, default=0.0
        Share of the rows that every modality gets at least, at most one over the number of
        modalities. Missing rows are moved from the others, those first that lose least entropy.
    joint_every : int, default=2
        Every so manieth epoch after `remix_after` is a joint one. None (published) has none: a
        modality that is unsure of everything because its data are poor then takes nearly all
        rows, and the rest is forgotten.
    predictor : {"head", "mask"}, default="head"
        What a modality's own prediction is: that of a linear head on its embedding, or that of the
        fusion with the other modalities masked (then there are no heads and no losses on them,
        save for ``fusion="late"``, which is made of heads).
    temperature : float, default=1.0
        Divides the logits before the entropy is taken.
    criterion : {"entropy", "label"}, default="entropy"
        Rows go to the modality with the largest entropy, or (ours) with the smallest probability
        of the true class.
    ablation : {"decouple", "reassemble"}, default=None
        For experiments: "decouple" masks each row to its modality in mixed batches; "reassemble"
        makes batches by modality but feeds all inputs.

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
    fusion_weights=None``; its authors had two modalities, and held nothing out
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

    unimodal_weight: float = 0.5
    remix_after: Any = 10
    gamma: Any = 1.0
    order: str = "shuffled"
    min_share: float = 0.0
    joint_every: Any = 2
    predictor: str = "head"
    temperature: float = 1.0
    criterion: str = "entropy"
    ablation: Any = None

    _published: ClassVar[Mapping[str, Any]] = {
        "order": "sequential",
        "joint_every": None,
        "fusion_weights": None,
    }

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **MultimodalClassifier._parameter_constraints,
        "gamma": [Interval(Real, 0, None, closed="left"), dict],
        "order": [StrOptions({"shuffled", "sequential"})],
        "min_share": [Interval(Real, 0, 1, closed="both")],
        "joint_every": [Interval(Integral, 1, None, closed="left"), None],
        "predictor": [StrOptions({"head", "mask"})],
        "temperature": [Interval(Real, 0, None, closed="neither")],
        "criterion": [StrOptions({"entropy", "label"})],
        "ablation": [StrOptions({"decouple", "reassemble"}), None],
    }

    def _with_heads(self) -> bool:
        return super()._with_heads() and self.predictor == "head"

    def _net_options(self) -> dict[str, Any]:
        late = self.fusion == "late" or self.fusion is LateFusion
        late = late or isinstance(self.fusion, LateFusion)
        return {"unimodal_weight": self.unimodal_weight if late or self._with_heads() else 0.0}

    def _remixing(self, names: list[str]) -> Remixing | None:
        if self.remix_after is None:
            return None
        _check_gamma(self.gamma, names)
        if self.min_share > 1 / len(names):
            raise ValueError(
                f"`min_share` must be at most one over the number of modalities, 1/{len(names)}; "
                f"got {self.min_share}."
            )
        return Remixing(
            self.remix_after,
            gamma=self.gamma,
            order=self.order,
            min_share=self.min_share,
            joint_every=self.joint_every,
            predictor=self.predictor,
            temperature=self.temperature,
            criterion=self.criterion,
            ablation=self.ablation,
        )


def _check_gamma(gamma: Any, names: list[str]) -> None:
    if not isinstance(gamma, Mapping):
        return
    unknown = sorted(set(gamma) - set(names))
    if unknown:
        raise ValueError(f"`gamma` names {unknown}, which are no modalities of `X`: {names}.")
    for name, value in gamma.items():
        if not (isinstance(value, Real) and float(value) >= 0):
            raise ValueError(f"`gamma` must not be negative; got {value!r} for {name!r}.")
