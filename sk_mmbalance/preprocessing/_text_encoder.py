"""`TextEncoder`: a text a row becomes a few numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.utils.validation import check_is_fitted


class TextEncoder(TransformerMixin, BaseEstimator):
    """TF-IDF of words, then the directions in which texts differ most (latent semantic analysis).

    scikit-learn's `TfidfVectorizer` and `TruncatedSVD` in one, for a column as tables have it:
    texts may be missing (they count as empty), and few different words give fewer columns, not an
    error.

    Parameters
    ----------
    n_components : int, default=30
        Columns that come out, at most.
    analyzer : {"word", "char", "char_wb"}, default="word"
        What is counted; "char_wb" suits short texts with slips of the pen.
    ngram_range : tuple (int, int), default=(1, 2)
        Lengths of what is counted.
    max_features : int, default=20000
        Kinds of it that are kept, the most frequent.
    random_state : int, RandomState instance or None, default=0
        Seed of the decomposition.

    Attributes
    ----------
    vectorizer_ : TfidfVectorizer or None
        Fitted; None if no text has a word.
    svd_ : TruncatedSVD or None
        Fitted; None if there are no more than `n_components` columns anyway.

    See Also
    --------
    make_preprocessor : Uses it for columns of text.

    References
    ----------
    .. [1] S. Deerwester et al., "Indexing by Latent Semantic Analysis", JASIS 41(6), 1990.

    Examples
    --------
    >>> from sk_mmbalance.preprocessing import TextEncoder
    >>> TextEncoder(n_components=2).fit_transform(["a dog runs", "a cat runs", None]).shape
    (3, 2)
    """

    def __init__(
        self,
        n_components: int = 30,
        *,
        analyzer: str = "word",
        ngram_range: tuple[int, int] = (1, 2),
        max_features: int | None = 20_000,
        random_state: Any = 0,
    ):
        self.n_components = n_components
        self.analyzer = analyzer
        self.ngram_range = ngram_range
        self.max_features = max_features
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> TextEncoder:
        """Learn the words and the directions.

        Parameters
        ----------
        X : array-like of str of shape (n_samples,) or (n_samples, 1)
            The texts.
        y : object, default=None
            Ignored.

        Returns
        -------
        self : TextEncoder
            The fitted encoder.

        Raises
        ------
        ValueError
            If `n_components` is below 1 or there are several columns.
        """
        self.fit_transform(X, y)
        return self

    def fit_transform(self, X: Any, y: Any = None) -> np.ndarray:
        """Learn the words and the directions, and give the numbers.

        Parameters
        ----------
        X : array-like of str of shape (n_samples,) or (n_samples, 1)
            The texts.
        y : object, default=None
            Ignored.

        Returns
        -------
        Xt : ndarray of shape (n_samples, n_columns)
            At most `n_components` columns, at least one.
        """
        if self.n_components < 1:
            raise ValueError(f"`n_components` must be at least 1; got {self.n_components!r}.")
        texts = _texts(X)
        vectorizer = TfidfVectorizer(
            analyzer=self.analyzer,
            ngram_range=self.ngram_range,
            max_features=self.max_features,
            sublinear_tf=True,
        )
        try:
            counts = vectorizer.fit_transform(texts)
        except ValueError as error:
            if "empty vocabulary" not in str(error):
                raise
            self.vectorizer_, self.svd_ = None, None
            return np.zeros((len(texts), 1))
        svd = None
        if counts.shape[1] > self.n_components:
            svd = TruncatedSVD(self.n_components, random_state=self.random_state)
            result = svd.fit_transform(counts)
        else:
            result = counts.toarray()
        self.vectorizer_, self.svd_ = vectorizer, svd
        return result

    def transform(self, X: Any) -> np.ndarray:
        """Numbers of texts.

        Parameters
        ----------
        X : array-like of str of shape (n_samples,) or (n_samples, 1)
            The texts.

        Returns
        -------
        Xt : ndarray of shape (n_samples, n_columns)
            Zeros for a text of unknown words.
        """
        check_is_fitted(self, "vectorizer_")
        texts = _texts(X)
        if self.vectorizer_ is None:
            return np.zeros((len(texts), 1))
        counts = self.vectorizer_.transform(texts)
        return counts.toarray() if self.svd_ is None else self.svd_.transform(counts)

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Names of the columns: the words themselves, or numbered directions.

        Parameters
        ----------
        input_features : array-like of str, default=None
            The name of the column, put in front.

        Returns
        -------
        feature_names_out : ndarray of str
            One for each column.
        """
        check_is_fitted(self, "vectorizer_")
        column = "text" if input_features is None else str(np.asarray(input_features).ravel()[0])
        if self.vectorizer_ is None:
            names = ["0"]
        elif self.svd_ is None:
            names = list(self.vectorizer_.get_feature_names_out())
        else:
            names = [str(number) for number in range(self.svd_.n_components)]
        return np.asarray([f"{column}_{name}" for name in names], dtype=object)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.one_d_array = True
        tags.input_tags.two_d_array = False
        tags.input_tags.allow_nan = True
        return tags


def _texts(X: Any) -> list[str]:
    column = np.asarray(X, dtype=object)
    if column.ndim == 2 and column.shape[1] == 1:
        column = column[:, 0]
    if column.ndim != 1:
        raise ValueError(
            f"`X` must be one column of texts; got shape {column.shape}. Give each column a "
            "TextEncoder of its own, as ColumnTransformer([('note', TextEncoder(), 'note')]) does."
        )
    return [
        "" if missing else str(text) for text, missing in zip(column, pd.isna(column), strict=True)
    ]
