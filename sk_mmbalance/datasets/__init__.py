"""Data with several modalities: made, bundled with scikit-learn, or downloaded."""

from ._avdigits import fetch_avdigits
from ._bayes import BayesRule
from ._breast_cancer import load_breast_cancer_views
from ._cache import get_data_home
from ._digits import load_digits_views
from ._imbalanced import make_imbalanced_modalities
from ._mfeat import fetch_mfeat
from ._wine import load_wine_views

__all__ = [
    "BayesRule",
    "fetch_avdigits",
    "fetch_mfeat",
    "get_data_home",
    "load_breast_cancer_views",
    "load_digits_views",
    "load_wine_views",
    "make_imbalanced_modalities",
]
