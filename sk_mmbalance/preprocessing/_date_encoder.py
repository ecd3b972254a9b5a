"""`DateEncoder`: a date becomes numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

_DAY = 86_400.0


class DateEncoder(TransformerMixin, BaseEstimator):
    """Days since 1970, year, place in the year, day of the week and hour of every date.

    Place in the year, day of the week and hour are points on a circle, a sine and a cosine, so that
    December is beside January. The hour is left out where no date that `fit` saw has one.

    Attributes
    ----------
    n_features_in_ : int
        Number of columns of dates.
    with_hours_ : list of bool
        Whether the hours of each column count.

    See Also
    --------
    make_preprocessor : Uses it for columns of dates.

    Examples
    --------
    >>> import pandas as pd
    >>> from sk_mmbalance.preprocessing import DateEncoder
    >>> dates = pd.DataFrame({"seen": pd.to_datetime(["2024-01-01", "2024-07-01"])})
    >>> encoder = DateEncoder().fit(dates)
    >>> encoder.get_feature_names_out()[:2].tolist(), encoder.transform(dates)[:, :2].tolist()
    (['seen_days', 'seen_year'], [[19723.0, 2024.0], [19905.0, 2024.0]])
    """

    def fit(self, X: Any, y: Any = None) -> DateEncoder:
        """Learn whether dates have hours.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_columns) or (n_samples,)
            Dates: of pandas, numpy or Python, or text in ISO form. What is missing becomes NaN.
        y : object, default=None
            Ignored.

        Returns
        -------
        self : DateEncoder
            The fitted encoder.

        Raises
        ------
        ValueError
            If a value is no date.
        """
        columns, names = _dates(X)
        self.with_hours_ = [bool((d.dropna() != d.dropna().dt.normalize()).any()) for d in columns]
        self.n_features_in_ = len(columns)
        self._names = names
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Numbers of dates.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_columns) or (n_samples,)
            Dates, as in `fit`.

        Returns
        -------
        Xt : ndarray of shape (n_samples, n_numbers)
            NaN where a date is missing.
        """
        check_is_fitted(self)
        columns, _ = _dates(X)
        if len(columns) != self.n_features_in_:
            raise ValueError(
                f"`X` has {len(columns)} columns of dates, but {self.n_features_in_} were seen in "
                "fit."
            )
        blocks = [
            _numbers(dates, hours) for dates, hours in zip(columns, self.with_hours_, strict=True)
        ]
        return np.concatenate(blocks, axis=1)

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Names of the columns.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Names of the columns of dates; those that `fit` saw otherwise.

        Returns
        -------
        feature_names_out : ndarray of str
            ``seen_days``, ``seen_year`` and so on.
        """
        check_is_fitted(self)
        given = self._names if input_features is None else [str(name) for name in input_features]
        return np.asarray(
            [
                f"{name}_{part}"
                for name, hours in zip(given, self.with_hours_, strict=True)
                for part in (*_PARTS, *(_HOURS if hours else ()))
            ],
            dtype=object,
        )

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.string = True
        return tags


_PARTS = ("days", "year", "season_sin", "season_cos", "weekday_sin", "weekday_cos")
_HOURS = ("hour_sin", "hour_cos")


def _numbers(dates: pd.Series, hours: bool) -> np.ndarray:
    days = (dates - pd.Timestamp(0)).dt.total_seconds() / _DAY
    season = 2 * np.pi * (dates.dt.day_of_year - 1) / 365.25
    weekday = 2 * np.pi * dates.dt.day_of_week / 7
    parts = [days, dates.dt.year, np.sin(season), np.cos(season), np.sin(weekday), np.cos(weekday)]
    if hours:
        hour = 2 * np.pi * (days % 1)
        parts += [np.sin(hour), np.cos(hour)]
    return np.column_stack([np.asarray(part, dtype=np.float64) for part in parts])


def _dates(X: Any) -> tuple[list[pd.Series], list[str]]:
    """Every column as dates without time zone (in UTC where they had one), and its name."""
    if hasattr(X, "to_pandas"):
        X = X.to_pandas()
    table = X if isinstance(X, pd.DataFrame) else pd.DataFrame(X)
    found = []
    for position, name in enumerate(table.columns):
        column = table.iloc[:, position]
        try:
            dates = pd.Series(pd.to_datetime(column, utc=True, format=_form(column)))
        except (ValueError, TypeError) as error:
            raise ValueError(f"`X` column {str(name)!r} holds what is no date: {error}") from error
        found.append(dates.dt.tz_localize(None))
    return found, [str(name) for name in table.columns]


def _form(column: pd.Series) -> str | None:
    return None if pd.api.types.is_datetime64_any_dtype(column) else "ISO8601"
