"""What server and nodes have in common: the estimator, and who has which rows.

The data are scikit-learn's handwritten digits, upper and lower half as two modalities. Each node
has its own part of the training rows, and the last node has no lower halves. In a real federation
`load_data` reads the node's own files.
"""

from sk_mmbalance.datasets import load_digits_views
from sk_mmbalance.federated import CMSFedClassifier, FedAvgClassifier, FedCMIClassifier

N_TEST = 400
METHODS = {"FedAvg": FedAvgClassifier, "FedCMI": FedCMIClassifier, "CMSFed": CMSFedClassifier}


def make_model(run_config):
    """The unfitted estimator, out of the settings of the run."""
    return METHODS[run_config["method"]](
        n_rounds=int(run_config["n-rounds"]),
        clients_per_round=1.0,
        missing="mask",
        # an exchange takes some ten seconds however small the network: measure at the end only
        evaluate_every=0,
        random_state=int(run_config["random-state"]),
    )


def load_part(part, n_parts):
    """Training rows of one node."""
    X, y = load_digits_views(return_X_y=True)
    own = slice(N_TEST + part, None, n_parts)
    rows = {name: X[name][own] for name in X}
    if n_parts > 1 and part == n_parts - 1:
        del rows["lower"]
    return rows, y[own]


def load_test():
    """Rows that no node has."""
    X, y = load_digits_views(return_X_y=True)
    return X[:N_TEST], y[:N_TEST]
