"""What the parameters and attributes shared by all neural estimators mean."""

SHARED_PARAMETERS = """
modalities : dict of str to columns, default=None
    Column blocks of a flat table: slices, lists, boolean masks, regular expressions or
    callables, as in `sklearn.compose.ColumnTransformer`. None takes a flat table for one
    modality. Not needed when modalities come by name.
backbones : str, type, torch.nn.Module or dict of these by modality, default="auto"
    Network of each modality, from a batch ``(batch, *shape)`` to ``(batch, features)``.
    "auto" takes "mlp" for vectors, "sequence" (temporal convolutions) for ``(time, features)``
    and "cnn" for ``(channels, height, width)``; "gru" is there too. A class is built with those
    of ``input_shape, embedding_dim, hidden_layer_sizes, dropout`` that it takes; an instance
    is copied with its weights. Sequences of unequal length need "sequence", "gru" or a module
    whose ``forward`` has a parameter ``lengths``.
hidden_layer_sizes : sequence of int, default=(64,)
    Hidden layers of the "mlp" backbones.
dropout : float, default=0.0
    Probability of dropping a unit in the backbones (and in the transformer fusion).
embedding_dim : int, default=64
    Size of the output of the backbones.
encoding : "normal_scores", None or dict of these by modality, default=None
    How the columns of a table reach the network. None takes the values as they are.
    "normal_scores" replaces the values of every column by the normal quantiles of their ranks in
    the training rows (interpolated, brought to mean 0 and variance 1; values beyond those seen
    count as the outermost), whatever the column's scale and shape: worth a trial where columns
    have long tails or narrow bands. It is learnt once, from the rows of the first `fit` or
    `partial_fit`. Not for images, sequences and sparse modalities.
missing : {"error", "mask"}, default="error"
    What to do with rows that lack a modality (all its values are NaN). "mask" trains and
    predicts with what is present; nothing is imputed.
remix_after : int, default=None
    Number of joint epochs after which data remixing begins: every second epoch then trains each
    row with the modality that is least sure about it, alone. None is off. What a method's loss
    adds to plain training is on before that only. See `DataRemixingClassifier`, which has the
    settings and says what is added to ``history_``.
fusion_weights : dict of str to float, "auto", "fit" or None, default="auto"
    Weights of single modalities in the prediction, for models whose modalities have classifiers
    of their own. None takes the network's own fusion as it was trained; a dict holds the weights
    of a late fusion, renormalised over the modalities that a row has. "fit" trains as None does,
    and then fits non-negative weights of the log-probabilities, which are temperatures in one, as
    a convex opinion pool on rows held out (see `fit_opinion_pool`); a fused classifier beside the
    modalities' own is one more expert. With ``missing="mask"`` every set of modalities that a row
    may have gets weights of its own (up to five modalities; beyond, those seen in the held-out
    rows, and others are renormalised). "auto" is "fit" where the network has a fused classifier
    and classifiers of single modalities, and early stopping holds rows out (by default from 250
    rows on); else None.
cv : int, splitter or iterable of (train, test), default=None
    Where ``fusion_weights="fit"`` takes its rows from: None is the part that early stopping
    holds out, or five folds if there is none; otherwise the network is trained once more for
    each fold, from new initial weights. Folds are stratified, and keep groups together if `fit`
    is given `groups`. Where rows resemble their neighbours, a number of folds is cut both in order
    and from shuffled rows, with a `RowOrderWarning`. Not used by "auto", nor by `partial_fit`,
    which leaves fitted weights as they are.
max_epochs : int, default=50
    Passes over the training rows.
batch_size : int or "auto", default="auto"
    Rows per step of the optimiser. "auto" is 64, and 256 from 5000 rows on (those trained on,
    without the ones held out; in `partial_fit` those of the call).
predict_batch_size : int or "auto", default="auto"
    Rows per batch where nothing is trained: in prediction, and on held-out rows. "auto" is 4096,
    fewer where rows are large (images): as many as have four million values, but not fewer than
    `batch_size`.
lr : float, default=1e-3
    Learning rate.
modality_lr : dict of str to float, default=None
    Factors on the learning rate of single modalities' encoders, such as ``{"audio": 0.1}``: 1 for
    those that are not named, and 0 leaves an encoder as it was made. Heads and fusion learn at
    `lr`. A schedule and a later `lr` keep the factors.
lr_schedule : {"cosine", "plateau"} or skorch.callbacks.LRScheduler, default=None
    "cosine" falls to zero over the epochs of one `fit`; "plateau" cuts the rate by 0.3 after
    five epochs without improvement.
optimizer : {"adamw", "adam", "sgd"} or torch.optim.Optimizer class, default="adamw"
    "sgd" has momentum 0.9. More settings go through ``net_params={"optimizer__...": ...}``.
weight_decay : float, default=1e-4
    Weight decay of the optimiser.
early_stopping : bool or "auto", default="auto"
    Whether to hold out a part, stop when its loss has not improved for `n_iter_no_change`
    epochs, and go back to the best epoch. "auto" does so from 250 rows on.
validation_fraction : float, splitter or list of one (train, test), default=0.1
    Share of the rows that early stopping holds out (stratified; whole groups if `fit` is given
    `groups`), or what cuts them off: the first split is taken. Validation rows of your own go to
    `fit` as `X_val` and `y_val`.
n_iter_no_change : int, default=10
    Patience of early stopping.
dtype : {"auto", "float32", "float64"}, default="auto"
    Precision. "auto" is that of the input on a CPU (float64 stays float64) and float32 on a
    GPU; "float32" is the faster one.
device : str or torch.device, default="auto"
    "auto" is the GPU if there is one, else the CPU.
amp : bool, default=False
    Whether to compute in bfloat16 where that is safe.
compile : bool, default=False
    Whether to compile the network with torch. Small networks on a CPU become slower.
callbacks : list of skorch callbacks, default=None
    More callbacks; they are copied for every fit.
net_params : dict, default=None
    More arguments of the skorch net: ``batch_size, criterion, lr, optimizer,
    predict_nonlinearity``, and what begins with ``criterion__, optimizer__, callbacks__`` or
    ``compile__``, such as ``{"criterion__label_smoothing": 0.1}``. Others are refused. A criterion
    is a subclass of the one that a fitted network has, ``type(clf.net_.criterion_)``.
warm_start : bool, default=False
    Whether `fit` continues from the weights at hand, for `max_epochs` more epochs. These may
    change: `lr`, `lr_schedule`, `batch_size`, `predict_batch_size`, `callbacks`, `class_weight`,
    `amp`, early stopping, `fusion_weights`, `cv`, `remix_after`, and parameters of a balancing
    method that do not shape the network. Any other that differs from the first fit is refused; so
    it is in `partial_fit`. The same rows are held out again; fusion weights are fitted again on
    them, and kept as they are where none are held out.
checkpoint_dir : str or path, default=None
    Folder in which `fit` keeps, after every epoch, all that it needs to go on: killed at any moment
    and called again with the same rows, parameters and `random_state`, which may not be None, it
    gives the weights, bit for bit on a CPU, that it would have given undisturbed. Files belong to
    rows, parameters and seed, so that many fits may share a folder; they are removed when their fit
    is done. `partial_fit` writes none. See "Going on after a kill" in the user guide.
random_state : int, RandomState instance or None, default=None
    Seed of initial weights, order of rows, dropout and the validation split. The same seed gives
    the same bits on one CPU with one number of threads. torch's global state is left alone.
verbose : int, default=0
    1 shows a progress bar and a line at the end.
"""

SHARED_ATTRIBUTES = """
modality_names_ : list of str
    Modalities seen in `fit`, sorted.
modality_shapes_ : dict of str to tuple of int
    Shape of one sample of each modality.
n_features_in_ : int
    Number of columns in all.
feature_names_in_ : ndarray of str
    Names of the columns, where `X` names them.
net_ : MultimodalNet
    The trained skorch net; ``net_.module_`` is the torch module.
encoding_ : dict of str to str or None
    How the columns of each modality are encoded: "normal_scores", or None.
n_iter_ : int
    Number of epochs trained.
history_ : DataFrame
    One row an epoch: ``epoch, train_loss, valid_loss, train_accuracy, valid_accuracy, gap,
    seconds``, and for each modality its own figures, such as ``face__train_loss``,
    ``face__train_accuracy`` and ``face__confidence`` (mean probability of the true class).
    A modality's figures are those of its own head, or of the fused model with the others masked.
    In large training sets they are means over about 500 rows spread over the epoch.
    ``train_loss`` is what is minimised, losses of single modalities included (in boosting: that
    of the fused prediction alone); ``valid_loss`` is that of the fused prediction alone, before
    fusion weights are fitted, and decides when to stop.
    ``gap`` is the largest difference between two modalities' training losses.
fusion_weights_ : DataFrame or None
    Where fusion weights were fitted, the weight of every expert (columns) by the modalities that a
    row has (rows); "(fused)" is the network's fused classifier.
temperatures_ : dict of str to float or None
    Where fusion weights were fitted, the temperature that each modality's own logits need when
    they stand alone; above 1 for an over-confident modality, infinite for one that is worth
    nothing, NaN where fewer than five held-out rows have it.
row_order_ : dict
    Where fusion weights were fitted in folds, how these were cut: "folds" is "in order", "both" (in
    order, and from shuffled rows; a row counts half under each), "by group" or "as given", with
    `loss_in_order`, `loss_shuffled` and `interval` as in `LateFusionClassifier`. Else empty.
"""

CLASSIFIER_PARAMETERS = """
class_weight : dict or "balanced", default=None
    Weights of the classes, multiplied into the sample weights.
"""

CLASSIFIER_ATTRIBUTES = """
classes_ : ndarray of shape (n_classes,)
    Class labels; with several labels a row, their numbers.
"""

REGRESSOR_PARAMETERS = """
loss : {"squared_error", "absolute_error", "huber"}, default="squared_error"
    Loss of a standardised number; "huber" is squared up to one standard deviation of the column,
    and linear beyond. Several columns count alike.
"""
