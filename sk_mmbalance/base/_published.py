"""The form of a method that its authors published."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self


class PublishedFormMixin:
    """For methods whose defaults may differ from the form that their authors published.

    A method names the parameters in which they differ, and their published values, in
    `_published`. How long and how fast the authors trained is not among them: that depends on the
    data, and every comparison needs the same of both forms.
    """

    _published: ClassVar[Mapping[str, Any]] = {}

    @classmethod
    def published(cls, **params: Any) -> Self:
        """Make an estimator in the form that the method's authors published.

        The notes on the class say which parameters that are. How long, how fast and whether with a
        held-out part the authors trained is not among them: pass that too. What an estimator was
        made with before is not looked at.

        Parameters
        ----------
        **params : dict
            Further parameters; they override the published ones.

        Returns
        -------
        estimator
            Not fitted.
        """
        return cls(**{**cls._published, **params})
