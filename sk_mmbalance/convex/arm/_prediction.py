"""Fitted coefficients and predictions of the strong/weak-modality estimators."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import TransformerMixin
from sklearn.utils import Bunch
from sklearn.utils.validation import check_is_fitted

from ...base import ModalityEstimator
from ...modalities import CheckedModalities
from ._assembly import LinearSide, side_columns, side_present
from ._combination import combine

MODES = ("auto", "weak", "strong", "sum", "serial")

#: Of the weak and of the strong side.
DEFAULT_COSTS = (1.0, 10.0)


class ARMPrediction(TransformerMixin, ModalityEstimator):
    """What a fitted pair of sides can do: scores of each prediction mode, costs, subspace."""

    predict_with: str
    penalty: str
    costs: Any
    weak_modalities_: list[str]
    strong_modalities_: list[str]
    support_mask_: np.ndarray
    subspace_: np.ndarray
    _strong_side: LinearSide
    _weak_side: LinearSide

    _makes_dense = True  # centring, which the intercepts rest on, makes rows dense anyway

    # -- fitted coefficients ---------------------------------------------------------------

    def _oriented(self, matrix: np.ndarray) -> np.ndarray:
        """Coefficients as scikit-learn has them: (n_outputs, n_features)."""
        return matrix.T

    @property
    def coef_weak_(self) -> np.ndarray:
        """Weak coefficients, (n_outputs, n_weak_features)."""
        check_is_fitted(self, "_weak_side")
        return self._oriented(self._weak_side.coef)

    @property
    def coef_strong_(self) -> np.ndarray:
        """Strong coefficients, (n_outputs, n_strong_features)."""
        check_is_fitted(self, "_strong_side")
        return self._oriented(self._strong_side.coef)

    @property
    def intercept_weak_(self) -> np.ndarray:
        """Weak intercepts, (n_outputs,)."""
        check_is_fitted(self, "_weak_side")
        return self._weak_side.intercept

    @property
    def intercept_strong_(self) -> np.ndarray:
        """Strong intercepts, (n_outputs,)."""
        check_is_fitted(self, "_strong_side")
        return self._strong_side.intercept

    @property
    def coef_(self) -> np.ndarray:
        """All coefficients, modalities in the order of `modality_names_`, zeros kept."""
        check_is_fitted(self, "_strong_side")
        widths = {name: int(np.prod(shape)) for name, shape in self.modality_shapes_.items()}
        parts: dict[str, np.ndarray] = {}
        for names, side in (
            (self.weak_modalities_, self._weak_side),
            (self.strong_modalities_, self._strong_side),
        ):
            stops = np.cumsum([widths[name] for name in names])
            blocks = np.split(side.coef, stops[:-1]) if names else []
            parts |= dict(zip(names, blocks, strict=True))
        return self._oriented(np.vstack([parts[name] for name in sorted(parts)]))

    # -- prediction ------------------------------------------------------------------------

    def _read_sides(self, X: Any, mode: str) -> tuple[CheckedModalities, np.ndarray, np.ndarray]:
        """Read `X` for a mode; modalities that it never looks at may be absent, or anything."""
        check_is_fitted(self, "_strong_side")
        weak, strong = tuple(self.weak_modalities_), tuple(self.strong_modalities_)
        if mode in ("weak", "serial") and not weak:
            raise ValueError(
                f"`predict_with`='{mode}' needs a weak side, and a single modality was seen in "
                f"fit. Use 'auto' or 'strong'."
            )
        if not weak or mode in ("auto", "sum"):
            checked = self._read_modalities(X, reset=False, only=weak + strong)
        else:
            # `combine` says which rows lack the side that they need
            used = {"weak": weak, "strong": strong}.get(mode, weak + strong)
            checked = self._read_modalities(
                X, reset=False, only=used, missing="mask", keep_all_missing=True
            )
        weak_seen, strong_seen = side_present(checked, weak), side_present(checked, strong)
        return checked, weak_seen, strong_seen

    def _combined_scores(
        self, X: Any, mode: str | None = None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Scores of shape (n_samples, n_outputs) and the sides that each row used."""
        mode = self.predict_with if mode is None else mode
        if mode not in MODES:
            raise ValueError(f"`mode` must be one of {list(MODES)}; got {mode!r}.")
        checked, weak_seen, strong_seen = self._read_sides(X, mode)
        if not self.weak_modalities_:
            mode = "strong"
        rule = None
        if mode == "serial":
            rule = getattr(self, "deferral_", None)
            if rule is None:
                raise ValueError(
                    "`predict_with`='serial' needs thresholds, which are tuned in `fit`: fit with "
                    "`predict_with`='serial'."
                )
        weak_scores = strong_scores = None
        if mode != "strong":
            columns = side_columns(checked, tuple(self.weak_modalities_))
            weak_scores = self._weak_side.scores(columns)
        if mode != "weak":
            columns = side_columns(checked, tuple(self.strong_modalities_))
            strong_scores = self._strong_side.scores(columns)
        return combine(
            mode,
            weak_scores,
            strong_scores,
            weak_seen=weak_seen,
            strong_seen=strong_seen,
            rule=rule,
        )

    def acquisition_cost(self, X: Any, mode: str | None = None) -> Bunch:
        """Cost of acquiring what a prediction mode looks at.

        Parameters
        ----------
        X : Modalities, dict, DataFrame or array-like
            Multimodal input.
        mode : {"auto", "weak", "strong", "sum", "serial"}, default=None
            None stands for ``predict_with``.

        Returns
        -------
        cost : Bunch
            ``total``, ``mean`` (per row) and ``deferred``, the share of rows whose strong side
            was used; ``per_row`` of shape (n_samples,).
        """
        _, used_weak, used_strong = self._combined_scores(X, mode)
        costs = DEFAULT_COSTS if self.costs is None else tuple(self.costs)
        per_row = costs[0] * used_weak + costs[1] * used_strong
        return Bunch(
            total=float(np.sum(per_row)),
            mean=float(np.mean(per_row)),
            deferred=float(np.mean(used_strong)),
            per_row=per_row,
        )

    def transform(self, X: Any) -> np.ndarray:
        """Reduce the weak side to its discriminative part.

        Parameters
        ----------
        X : Modalities, dict, DataFrame or array-like
            The strong side may be absent.

        Returns
        -------
        Z : ndarray of shape (n_samples, n_components)
            The weak columns in `support_mask_`; with ``penalty="trace"`` the weak columns
            projected on `subspace_`. With a single modality there is no weak side and nothing
            is selected: all its columns.
        """
        check_is_fitted(self, "_strong_side")
        if not self.weak_modalities_:
            checked = self._read_modalities(X, reset=False)
            return checked.flat(self.strong_modalities_[0])
        checked, weak_seen, _ = self._read_sides(X, "weak")
        columns = side_columns(checked, tuple(self.weak_modalities_))
        combine("weak", None, None, weak_seen=weak_seen, strong_seen=~weak_seen)
        if self.penalty == "trace":
            return columns.times(self.subspace_)
        return np.vstack([block[:, self.support_mask_] for _, block in columns.blocks()])
