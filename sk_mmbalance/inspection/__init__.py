"""What each modality is worth to a fitted estimator, and what missing ones cost; any estimator."""

from ._balance_curve_display import BalanceCurveDisplay
from ._balance_report import BalanceReport, balance_report
from ._coalitions import CoalitionScores, coalition_scores
from ._contribution_display import ModalityContributionDisplay
from ._contributions import ModalityContributions, modality_contributions
from ._cost_curve_display import CostCurveDisplay
from ._flat import FlatEstimator, flat
from ._missing_curve import MissingModalityCurve, missing_modality_curve
from ._missing_modality_display import MissingModalityDisplay
from ._row_contributions import RowContributions
from ._setting import Setting

__all__ = [
    "BalanceCurveDisplay",
    "BalanceReport",
    "CoalitionScores",
    "CostCurveDisplay",
    "FlatEstimator",
    "MissingModalityCurve",
    "MissingModalityDisplay",
    "ModalityContributionDisplay",
    "ModalityContributions",
    "RowContributions",
    "Setting",
    "balance_report",
    "coalition_scores",
    "flat",
    "missing_modality_curve",
    "modality_contributions",
]
