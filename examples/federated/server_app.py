"""What runs at the server. It has no data."""

import json

from model_and_data import make_model

from sk_mmbalance.federated.flower import server_app


def report(server, context):
    """Say how the round went."""
    last = server.history[-1]
    line = json.dumps(
        {"round": last["round"], "trained": last["clients"], "missed": last["skipped"]}
    )
    print(line, flush=True)
    if context.run_config["rounds-file"]:
        with open(context.run_config["rounds-file"], "a", encoding="utf-8") as file:
            file.write(line + "\n")


app = server_app(
    lambda context: make_model(context.run_config),
    output=lambda context: context.run_config["output"],
    min_nodes=lambda context: context.run_config["min-nodes"],
    after_round=report,
)
