"""`ModalityTransformer`: a transformer for each modality."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.base import TransformerMixin, clone
from sklearn.utils import Bunch, check_consistent_length
from sklearn.utils.metadata_routing import (
    MetadataRouter,
    MethodMapping,
    process_routing,
)
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import check_is_fitted

from .._sklearn import (
    BaseComposition,
    VisualBlock,
    check_method_params,
    raise_for_params,
    routing_enabled,
    safe_indexing,
    safe_set_output,
)
from ..base import ModalityEstimator, weight_params
from ..exceptions import MissingModalityError
from ..modalities import Modalities, missing_rows, name_modalities, take_rows
from ._names import features_in, features_of, join_names, names_out, numbered
from ._rows import as_input, as_output, spread

_WORDS = ("passthrough", "drop")


class ModalityTransformer(  # type: ignore[call-arg]
    TransformerMixin, ModalityEstimator, BaseComposition, auto_wrap_output_keys=None
):
    """Transform each modality by its own transformer: a `ColumnTransformer` for modalities.

    The result is `Modalities`. Rows that lack a modality are left out when its transformer is
    fitted and stay missing in the result; NaN in part of a row is handed to the transformer (an
    imputer, usually).

    Inner transformers are scikit-learn's. What they get depends on what they declare by their
    tags: an image or a sequence is passed as it is to one that takes arrays of any dimension
    (``three_d_array``, or no validation, as `FunctionTransformer`); to all others it is passed
    flattened to 2-D, and gets its shape back if the number of values per sample has not changed
    (so `StandardScaler` standardises every pixel and returns images). A text vectorizer gets the
    1-D strings. A transformer must not change the number of rows.

    Parameters
    ----------
    transformers : dict of str to transformer, "passthrough" or "drop"
        Transformer of each modality. A modality left out is treated as `remainder` says.
        Parameters of the transformers are set by name: ``face__with_mean=False``; ``face=...``
        replaces one.
    remainder : {"passthrough", "drop"} or transformer, default="passthrough"
        What is done with modalities that `transformers` does not name. A transformer is cloned
        for each.
    modalities : dict of str to columns, default=None
        Column blocks of a flat table, chosen as in `ColumnTransformer` (slice, list, boolean
        mask, regular expression or callable). None takes a flat table for one modality named
        ``"X"``.
    n_jobs : int, default=None
        Number of modalities transformed in parallel.

    Attributes
    ----------
    transformers_ : dict of str to transformer, "passthrough" or "drop"
        Fitted transformer of each modality seen in `fit`.
    modality_names_ : list of str
        Modalities seen in `fit`, sorted.
    modality_shapes_ : dict of str to tuple of int
        Shape of one sample of each modality.
    n_features_in_ : int
        Number of columns in all.
    feature_names_in_ : ndarray of str
        Column names, where every modality has some.

    See Also
    --------
    ModalitySelector : Some of the modalities.
    ModalityConcatenator : One 2-D array of all modalities.

    Notes
    -----
    The result is no table: `set_output` sets the output of the inner transformers. Its columns
    have names all the same, ``modality__column``: the result carries them where columns have
    names of their own, so that what comes after it knows them.

    Without metadata routing, ``sample_weight`` is passed to every inner transformer that takes
    it. With metadata routing, inner transformers get what they request.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.feature_extraction.text import CountVectorizer
    >>> from sklearn.preprocessing import StandardScaler
    >>> from sk_mmbalance import Modalities, ModalityTransformer
    >>> X = Modalities(face=np.array([[0.0], [2.0], [np.nan]]), note=["a dog", "a cat", "a dog"])
    >>> prep = ModalityTransformer({"face": StandardScaler(), "note": CountVectorizer()})
    >>> Xt = prep.fit_transform(X)
    >>> Xt["face"].ravel().tolist(), Xt["note"].shape
    ([-1.0, 1.0, nan], (3, 2))
    """

    missing = "mask"  # whatever is missing stays missing
    _hands_weights_on = True  # to the transformers that take them

    def __init__(
        self,
        transformers: Any,
        *,
        remainder: Any = "passthrough",
        modalities: Any = None,
        n_jobs: int | None = None,
    ):
        self.transformers = transformers
        self.remainder = remainder
        self.modalities = modalities
        self.n_jobs = n_jobs

    # -- parameters ------------------------------------------------------------------------

    @property
    def _named_transformers(self) -> list[tuple[str, Any]]:
        return list(self.transformers.items()) if isinstance(self.transformers, Mapping) else []

    @_named_transformers.setter
    def _named_transformers(self, pairs: list[tuple[str, Any]]) -> None:
        self.transformers = dict(pairs)

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Get parameters, those of the inner transformers by name.

        Parameters
        ----------
        deep : bool, default=True
            Whether to include the inner transformers and their parameters.

        Returns
        -------
        params : dict
            Values by parameter name.
        """
        return self._get_params("_named_transformers", deep=deep)

    def set_params(self, **params: Any) -> ModalityTransformer:
        """Set parameters, those of the inner transformers by name.

        Parameters
        ----------
        **params : object
            ``face=...`` replaces a transformer, ``face__with_mean=...`` sets its parameter.

        Returns
        -------
        self : ModalityTransformer
            The same transformer.
        """
        if "transformers" in params:
            self.transformers = params.pop("transformers")
        return self._set_params("_named_transformers", **params)

    def set_output(self, *, transform: Any = None) -> ModalityTransformer:
        """Set the output of the inner transformers (DataFrames instead of arrays, say).

        Parameters
        ----------
        transform : {"default", "pandas", "polars"}, default=None
            As in scikit-learn's ``set_output``; None changes nothing.

        Returns
        -------
        self : ModalityTransformer
            The same transformer.
        """
        inner = [*dict(self._named_transformers).values(), self.remainder]
        for transformer in [*inner, *getattr(self, "transformers_", {}).values()]:
            if not isinstance(transformer, str):
                safe_set_output(transformer, transform=transform)
        return self

    # -- fit and transform -----------------------------------------------------------------

    def fit(self, X: Any, y: Any = None, **params: Any) -> ModalityTransformer:
        """Fit every inner transformer on the rows that have its modality.

        Parameters
        ----------
        X : Modalities, dict, DataFrame or array-like
            Multimodal input.
        y : array-like of shape (n_samples,), default=None
            Target, passed to the inner transformers.
        **params : dict
            ``sample_weight``, or whatever metadata routing distributes.

        Returns
        -------
        self : ModalityTransformer
            The fitted transformer.
        """
        self.fit_transform(X, y, **params)
        return self

    def fit_transform(self, X: Any, y: Any = None, **params: Any) -> Modalities:
        """Fit every inner transformer and transform its modality.

        Parameters
        ----------
        X : Modalities, dict, DataFrame or array-like
            Multimodal input.
        y : array-like of shape (n_samples,), default=None
            Target, passed to the inner transformers.
        **params : dict
            ``sample_weight``, or whatever metadata routing distributes.

        Returns
        -------
        Xt : Modalities
            Transformed modalities; rows that lack one lack it still.

        Raises
        ------
        TypeError
            If `transformers` is no dict, or holds something that cannot transform.
        ValueError
            If `transformers` names a modality that `X` does not have, or drops all of them.
        """
        container, spec = name_modalities(X, estimator=self, modalities=self.modalities)
        plan = self._plan(spec.names)
        if y is not None:
            check_consistent_length(container, y)
        routed = self._routed("fit_transform", plan, params)
        work = [name for name in plan if not isinstance(plan[name], str)]
        done = Parallel(n_jobs=self.n_jobs)(
            delayed(_fit_transform_one)(plan[name], container[name], y, routed[name], name)
            for name in work
        )
        fitted = plan | {name: part[0] for name, part in zip(work, done, strict=True)}
        results = {name: part[1] for name, part in zip(work, done, strict=True)}
        blanks = {name: part[2] for name, part in zip(work, done, strict=True)}
        self._become_fitted(
            spec,
            transformers_=fitted,
            _blanks=blanks,
            _features_out=_inner_names(features_of(spec), fitted, blanks),
        )
        return self._with_names(_assemble(container, fitted, results))

    def transform(self, X: Any, **params: Any) -> Modalities:
        """Transform every modality.

        A modality that was seen in `fit` and is lacking here is lacking in the result too.

        Parameters
        ----------
        X : Modalities, dict, DataFrame or array-like
            Multimodal input.
        **params : dict
            Whatever metadata routing distributes.

        Returns
        -------
        Xt : Modalities
            Transformed modalities; rows that lack one lack it still.
        """
        check_is_fitted(self)
        container, _ = name_modalities(
            X, estimator=self, spec=self._input_spec, modalities=self.modalities
        )
        there = {n: t for n, t in self.transformers_.items() if n in container}
        routed = self._routed("transform", self.transformers_, params)
        work = [name for name in there if not isinstance(there[name], str)]
        done = Parallel(n_jobs=self.n_jobs)(
            delayed(_transform_one)(
                there[name], container[name], routed[name], name, self._blanks[name]
            )
            for name in work
        )
        return self._with_names(_assemble(container, there, dict(zip(work, done, strict=True))))

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Names of the columns that come out, modalities in the order of their sorted names.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Names of the columns of a flat table; used if `fit` saw none, compared with those it
            saw otherwise.

        Returns
        -------
        feature_names_out : ndarray of str
            Modality and column, joined by ``"__"``. The column's name is the inner transformer's
            word if it has ``get_feature_names_out``, its number otherwise.
        """
        check_is_fitted(self)
        features = features_in(self, input_features)
        return join_names(_inner_names(features, self.transformers_, self._blanks))

    def _with_names(self, result: Modalities) -> Modalities:
        """The result with the names of columns that say more than their numbers."""
        # a pickle of an earlier version has no such names
        features_out: dict[str, list[str]] = getattr(self, "_features_out", {})
        told = {
            name: names
            for name, names in features_out.items()
            if name in result
            and name not in result.feature_names
            and len(names) == int(np.prod(result.sample_shape(name)))
            and names != numbered(len(names))
        }
        return result.with_feature_names(told) if told else result

    def _plan(self, names: tuple[str, ...]) -> dict[str, Any]:
        """Find the transformer of every modality, by sorted name."""
        if not isinstance(self.transformers, Mapping):
            raise TypeError(
                "`transformers` must map names of modalities to transformers, as "
                f"{{'face': StandardScaler()}}; got {type(self.transformers).__name__}."
            )
        self._validate_names(list(self.transformers))
        unknown = sorted(set(self.transformers) - set(names))
        if unknown:
            raise ValueError(
                f"`transformers` names modality {', '.join(map(repr, unknown))}, which `X` does "
                f"not have; there are {list(names)}."
            )
        plan = {name: self.transformers.get(name, self.remainder) for name in names}
        for name, transformer in plan.items():
            _check_transformer(name, transformer)
        if all(isinstance(t, str) and t == "drop" for t in plan.values()):
            raise ValueError(f"`transformers` drops every modality of {list(names)}; keep one.")
        return plan

    # -- metadata --------------------------------------------------------------------------

    def _routed(self, method: str, plan: dict[str, Any], params: dict[str, Any]) -> Bunch:
        """Say what each inner transformer gets besides data."""
        if routing_enabled():
            routed = process_routing(self, method, **params) if params else {}
            remainder = [name for name in plan if name not in dict(self._named_transformers)]
            empty = Bunch(fit={}, transform={}, fit_transform={})
            bunch = Bunch(**{name: routed.get(name, empty) for name in plan})
            bunch.update({name: routed.get("remainder", empty) for name in remainder})
            return bunch
        params = dict(params)
        weight = None if method == "transform" else params.pop("sample_weight", None)
        raise_for_params(params, self, method)
        bunch = Bunch()
        for name, transformer in plan.items():
            passed = {} if weight is None else weight_params(transformer, weight)
            bunch[name] = Bunch(fit=passed, fit_transform=passed, transform={})
        return bunch

    def get_metadata_routing(self) -> MetadataRouter:
        """Get metadata routing of this object.

        Returns
        -------
        routing : MetadataRouter
            What is passed on to the inner transformers.
        """
        router = MetadataRouter(owner=self)
        for name, transformer in [*self._named_transformers, ("remainder", self.remainder)]:
            if isinstance(transformer, str) or not hasattr(transformer, "fit"):
                continue
            mapping = MethodMapping().add(caller="transform", callee="transform")
            for caller in ("fit", "fit_transform"):
                if hasattr(transformer, "fit_transform"):
                    mapping.add(caller=caller, callee="fit_transform")
                else:
                    mapping.add(caller=caller, callee="fit")
                    mapping.add(caller=caller, callee="transform")
            router.add(**{name: transformer}, method_mapping=mapping)
        return router

    def _sk_visual_block_(self) -> Any:
        """What notebooks draw: the transformers side by side."""
        shown = getattr(self, "transformers_", None) or dict(self._named_transformers)
        names, parts = list(shown), list(shown.values())
        if shown is not getattr(self, "transformers_", None) and self.remainder != "drop":
            names, parts = [*names, "remainder"], [*parts, self.remainder]
        return VisualBlock("parallel", parts, names=names)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.string = True
        return tags


def _check_transformer(name: str, transformer: Any) -> None:
    if isinstance(transformer, str):
        if transformer in _WORDS:
            return
    elif (
        (hasattr(transformer, "fit") or hasattr(transformer, "fit_transform"))
        and hasattr(transformer, "transform")
        and not isinstance(transformer, type)
    ):
        return
    raise TypeError(
        f"`transformers` (or `remainder`) for {name!r} must be a transformer instance, "
        f"'passthrough' or 'drop'; got {transformer!r}."
    )


def _fit_transform_one(
    transformer: Any, value: Any, y: Any, params: Bunch, name: str
) -> tuple[Any, Any, Any]:
    """Fitted transformer, its result, and the result's form without rows."""
    missing = missing_rows(value)
    if missing.all():
        raise MissingModalityError(
            f"`X` modality {name!r} is missing in every row; leave it out of `fit`, or set it to "
            "'drop'."
        )
    rows = np.flatnonzero(~missing)
    transformer = clone(transformer)
    try:
        given, target, params = _present_part(transformer, value, y, params, name, rows)
        if hasattr(transformer, "fit_transform"):
            result = transformer.fit_transform(given, target, **params["fit_transform"])
        else:
            transformer.fit(given, target, **params["fit"])
            result = transformer.transform(given, **params["transform"])
        result = as_output(result, value, name, len(rows))
    except Exception as error:
        _name_modality(error, name, f"be fitted by {type(transformer).__name__}")
        raise
    return transformer, spread(result, missing, value), result[:0]


def _present_part(
    transformer: Any, value: Any, y: Any, params: Bunch, name: str, rows: np.ndarray
) -> tuple[Any, Any, dict[str, dict[str, Any]]]:
    """Modality, target and metadata in the rows that have the modality."""
    if len(rows) == value.shape[0]:
        return as_input(transformer, value, name), y, params
    part = as_input(transformer, take_rows(value, rows), name)
    target = None if y is None else safe_indexing(y, rows)
    return part, target, {m: check_method_params(value, p, rows) for m, p in params.items()}


def _transform_one(transformer: Any, value: Any, params: Bunch, name: str, blank: Any) -> Any:
    missing = missing_rows(value)
    if missing.all():
        return spread(blank, missing, value)
    rows = np.flatnonzero(~missing)
    try:
        given, _, params = _present_part(transformer, value, None, params, name, rows)
        result = as_output(
            transformer.transform(given, **params["transform"]), value, name, len(rows)
        )
    except Exception as error:
        _name_modality(error, name, f"be transformed by {type(transformer).__name__}")
        raise
    return spread(result, missing, value)


def _name_modality(error: Exception, name: str, what: str) -> None:
    """Say of which modality an error is: in front of its words, or after those of its own class."""
    if isinstance(error, OverflowError):
        raise ValueError(f"`X` modality {name!r} has numbers beyond float64: {error}") from error
    if type(error) in (TypeError, ValueError) and not str(error).startswith("`"):
        raise type(error)(f"`X` modality {name!r} cannot {what}: {error}") from error
    error.add_note(f"(modality {name!r}, which cannot {what})")


def _inner_names(
    features: Mapping[str, list[str]], fitted: Mapping[str, Any], blanks: Mapping[str, Any]
) -> dict[str, list[str]]:
    """Names of what comes out of every modality that is kept."""
    named = {}
    for name, transformer in fitted.items():
        if not isinstance(transformer, str):
            named[name] = names_out(transformer, features[name], blanks[name])
        elif transformer == "passthrough":
            named[name] = features[name]
    return named


def _assemble(
    container: Modalities, transformers: dict[str, Any], results: dict[str, Any]
) -> Modalities:
    passed = [name for name, t in transformers.items() if isinstance(t, str) and t == "passthrough"]
    # rows of a memory map stay on disk
    return Modalities(container.select(passed) if passed else None, **results)
