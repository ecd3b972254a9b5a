"""What runs at every node, beside its data."""

from model_and_data import load_part, make_model

from sk_mmbalance.federated.flower import client_app


def load_data(context):
    """Rows of this node; the context says which node it is."""
    return load_part(context.node_config["partition-id"], context.node_config["num-partitions"])


app = client_app(lambda context: make_model(context.run_config), load_data)
