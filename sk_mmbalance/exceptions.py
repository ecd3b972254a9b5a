"""Errors and warnings that callers may want to catch by name."""


class MissingModalityError(ValueError):
    """A modality is missing where the estimator needs it (see ``missing='mask'``)."""


class DivergenceError(ArithmeticError):
    """Training stopped because the loss became infinite or NaN."""


class MissingDependencyError(ImportError):
    """An optional package is needed; the message names the extra that installs it."""


class DamagedFileError(ValueError):
    """A file of this package is damaged, or was not written by it; the message names the file."""


class ScaleWarning(UserWarning):
    """Features are of such scale, or differ so much in it, that training will suffer."""


class CollapseWarning(UserWarning):
    """A balancing method has nearly stopped training one of the modalities."""


class TeachingWarning(UserWarning):
    """A side that was to teach the other is no better than its pupil, and was not let to."""


class NoUpdateWarning(UserWarning):
    """A federated round, or a client, brought nothing that could be used."""


class BaselineWarning(UserWarning):
    """A simpler model scores better than the estimator that is looked at."""


class CheckpointWarning(UserWarning):
    """A checkpoint could not be written, or not be used; the message says which, and why."""


class LimitWarning(UserWarning):
    """A limit on an error rate is finer than the rows at hand can show."""


class RareClassWarning(UserWarning):
    """Errors are counted by rows, and those of a rare class hardly count."""


class SingleModalityWarning(UserWarning):
    """An estimator for several modalities was given a flat table, which is one of them."""


class ShapeWarning(UserWarning):
    """The shape of a modality's samples may mean two things; the message says how it was read."""


class FoldWarning(UserWarning):
    """Folds test many rows of classes that their training parts do not have."""


class RowOrderWarning(UserWarning):
    """Rows resemble their neighbours: folds in order and shuffled folds answer two questions."""
