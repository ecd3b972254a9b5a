"""What the parameters and attributes shared by all federated estimators mean."""

SHARED_PARAMETERS = """
modalities : dict of str to columns, default=None
    Column blocks of a flat table: slices, lists, boolean masks, regular expressions or
    callables, as in `sklearn.compose.ColumnTransformer`. None takes a flat table for one
    modality. Not needed when modalities come by name.
missing : {"error", "mask"}, default="error"
    What to do with rows that lack a modality (all its values are NaN). A client that lacks a
    modality altogether has it missing in all its rows: use "mask".
backbones : str, type, torch.nn.Module or dict of these by modality, default="auto"
    Encoder of each modality, as in `MultimodalClassifier`.
hidden_layer_sizes : sequence of int, default=(64,)
    Hidden layers of the "mlp" encoders.
feature_dim : int, default=64
    Size of the encoders' output (and of the projectors').
dropout : float, default=0.0
    Probability of dropping a unit in the encoders.
n_rounds : int, default=30
    Rounds of training and aggregation.
clients_per_round : int or float, default=0.5
    Clients chosen for a round: a number, or a share of them (rounded up). More than there are
    means all.
local_epochs : int, default=2
    Passes over a chosen client's own rows.
batch_size : int, default=64
    Rows per step of the optimiser.
optimizer : {"sgd", "adam", "adamw"}, default="sgd"
    Optimiser at the clients; its state is fresh in every round.
lr : float, default=0.03
    Learning rate.
lr_min : float, default=None
    Learning rate that the last rounds come down to, linearly; None keeps `lr`.
lr_hold : int, default=0
    Rounds before the learning rate begins to follow `lr_min`. (As published, it then drops at
    once to the value that the straight line has there.)
momentum : float, default=0.9
    Momentum of "sgd".
weight_decay : float, default=1e-4
    Weight decay of the optimiser.
dropout_rate : float or callable, default=0.0
    Probability that a chosen client does not answer in a round (it gets no order). A callable is
    given the number of the round (from 1) and the client, and returns a probability or a bool.
straggler_rate : float or callable, default=0.0
    Probability that a chosen client's reply comes after the deadline: the client has trained and
    has sent (the bytes are counted), but nothing of it is aggregated. Otherwise as `dropout_rate`.
evaluate_every : int, default=1
    Rounds between two measurements of the global model on the clients' own rows; 0 makes none.
aggregation : {"mean", "median", "trimmed_mean", "clipped"}, default="mean"
    How the clients' weights become one. "mean" weighs them with their rows. The others bound what
    a client that lies, or has lost its way, can do: the median of every entry; its mean without
    the smallest and the largest values; the mean of updates that are shortened to a length. The
    first two of these count all clients alike, and want three or more in a round. With the engine
    "flower" Flower's own strategies do it.
trim : float, default=0.2
    For "trimmed_mean": share of the clients left out at either end, less than a half.
clip_norm : float or "median", default="median"
    For "clipped": length to which longer updates are shortened. "median" is the median length of
    the round's updates.
engine : {"inprocess", "flower"}, default="inprocess"
    How orders reach the clients: a loop in this process, or Flower's own server and client code
    in this process (needs the extra ``federated``). Both give the same model.
class_weight : dict or "balanced", default=None
    Weights of the classes, multiplied into the sample weights. "balanced" looks at the labels of
    all clients, which a server in a real deployment cannot do: pass a dict there.
dtype : {"auto", "float32", "float64"}, default="auto"
    Precision. "auto" is that of the input on a CPU and float32 on a GPU.
device : str or torch.device, default="auto"
    "auto" is the GPU if there is one, else the CPU.
checkpoint_dir : str or path, default=None
    Folder in which `fit` keeps, after every round, what server and clients need to go on: killed at
    any moment and called again with the same rows, clients, parameters and `random_state`, which
    may not be None, it gives the model, bit for bit on a CPU, that it would have given
    undisturbed. Files belong to rows, parameters and seed, so that many fits may share a folder;
    they are removed when their fit is done. What clients keep for themselves is in them.
    `partial_fit` writes none. See "Going on after a kill" in the user guide.
random_state : int, RandomState instance or None, default=None
    Seed of initial weights, of the choice of clients and of the order of rows. The same seed gives
    the same bits on one CPU with one number of threads.
verbose : int, default=0
    1 shows a progress bar.
"""

SHARED_ATTRIBUTES = """
classes_ : ndarray of shape (n_classes,)
    Class labels.
clients_ : ndarray
    Ids of the clients, sorted; 0 if none were given.
modality_names_ : list of str
    Modalities seen in `fit`, sorted.
modality_shapes_ : dict of str to tuple of int
    Shape of one sample of each modality.
n_features_in_ : int
    Number of columns in all.
feature_names_in_ : ndarray of str
    Names of the columns, where `X` names them.
module_ : torch.nn.Module
    The global network.
n_rounds_ : int
    Number of rounds trained.
history_ : DataFrame
    One row a round: ``round, clients`` (whose updates were aggregated), ``modalities`` (what each
    of them trained), ``skipped`` (who was dropped, late, failed or refused, and why), ``lr``,
    ``train_loss``, ``accuracy`` of the new global model over all clients' rows,
    ``client_accuracy``, for each modality ``face__accuracy`` (of its own prediction, see
    `unimodal_predict_proba`), ``valid_accuracy`` and ``face__valid_accuracy`` on ``eval_set``,
    ``bytes_down`` and ``bytes_up`` of the training, ``bytes_evaluation``, and ``seconds``.
selection_log_ : DataFrame
    One row for every client that was planned: ``round, client, modalities, outcome``.
plan_ : list of dict
    For each round, the modalities that each chosen client was to train.
personal_ : dict of client to dict of str to ndarray
    Weights that clients keep for themselves; empty unless the method has such.
"""
