"""Train over two nodes with Flower's real processes, all on this machine, and clean up.

``python examples/federated/run_loopback.py`` starts a SuperLink (the server's door) and two
SuperNodes on 127.0.0.1, sends them the app of this folder, waits until the model is there, says
what it scores, and stops everything. ``--kill-after-round 1`` kills the last node, as a power cut
would, when the first round is done; ``--tls`` encrypts what goes between nodes and SuperLink;
``--auth`` lets only nodes in whose keys are registered, and ``--strangers`` shows who is refused.

Everything lives in a temporary folder that goes at the end, Flower's own home included. Flower
contacts nothing outside; see the user guide, "From a laptop to several machines".
"""

import argparse
import json
import os
import shutil
import signal
import ssl
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import joblib
import numpy as np
from certificates import make_certificates, make_key
from model_and_data import METHODS, load_part, load_test, make_model
from processes import HOST, Processes, Stopped, free_ports

import sk_mmbalance
from sk_mmbalance.federated.flower import SWITCHES

HERE = Path(__file__).resolve().parent

#: Flower would give every simulated node two cores, and ray all that there are.
RAY = (
    "num-supernodes={0} client-resources-num-cpus=1 client-resources-num-gpus=0.0 "
    "init-args-num-cpus={0}"
)


def environment(folder):
    """What the processes see: nothing is contacted, and Flower's home is in our folder."""
    home, temporary = folder / "flower", folder / "temporary"
    home.mkdir()
    temporary.mkdir()
    package = str(Path(sk_mmbalance.__file__).parents[1])
    path = [package, *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    return {
        **os.environ,
        **SWITCHES,
        "FLWR_HOME": str(home),
        "TMPDIR": str(temporary),
        # the processes start each other by name
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]),
        "PYTHONPATH": os.pathsep.join(filter(None, path)),
        # look for work every fifth of a second instead of every second
        "FLWR_SUPEREXEC_TASK_POLL_INTERVAL": "0.2",
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1"),
        # for ray, which names sockets by it: their names must not be long
        "RAY_TMPDIR": str(folder),
        "NO_PROXY": HOST,
        "no_proxy": HOST,
        # as wide as the lines are: the log is read by people
        "COLUMNS": "200",
    }


def is_healthy(port, ca):
    """Whether the SuperLink answers."""
    scheme = "http" if ca is None else "https"
    trust = None if ca is None else ssl.create_default_context(cafile=ca)
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}),  # loopback: never by a proxy
        *([] if trust is None else [urllib.request.HTTPSHandler(context=trust)]),
    )
    try:
        with opener.open(f"{scheme}://{HOST}:{port}/health", timeout=5) as answer:
            return answer.status == 200
    except OSError:
        return False


def start_everything(processes, options, folder, ports):
    """SuperLink and SuperNodes; returns when the SuperLink answers."""
    tls = make_certificates(folder, HOST) if options.tls else None
    ca = None if tls is None else tls["ca"]
    secured = ["--insecure"]
    trusting = ["--insecure"]
    trust_line = "insecure = true"
    if tls is not None:
        secured = ["--ssl-ca-certfile", str(ca)]
        secured += ["--ssl-certfile", str(tls["server"]), "--ssl-keyfile", str(tls["key"])]
        trusting = ["--root-certificates", str(ca)]
        trust_line = f"root-certificates = {json.dumps(str(ca))}"
    address = f"{HOST}:{ports[0]}"
    (folder / "flower" / "config.toml").write_text(
        '[superlink]\ndefault = "loopback"\n\n'
        f'[superlink.loopback]\naddress = "{address}"\n{trust_line}\n',
        encoding="utf-8",
    )
    simulation = ["--simulation"] if options.ray else []
    known = ["--enable-supernode-auth"] if options.auth else []
    processes.start(
        "superlink",
        [
            "flower-superlink",
            *secured,
            "--host",
            HOST,
            "--port",
            str(ports[0]),
            *simulation,
            *known,
        ],
    )
    processes.wait("the SuperLink", lambda: is_healthy(ports[0], ca), ["superlink"])

    def start_node(name, part, port, trusting=trusting, key=None):
        """Start a SuperNode, with a key if the SuperLink wants to know it."""
        identity = [] if key is None else ["--auth-supernode-private-key", str(key)]
        command = ["flower-supernode", *trusting, *identity, "--superlink", address]
        config = f"partition-id={part} num-partitions={options.nodes}"
        command += ["--host", HOST, "--port", str(port), "--node-config", config]
        processes.start(name, [*command, "--max-retries", "3"] if "stranger" in name else command)

    for part in range(0 if options.ray else options.nodes):
        key = register(processes, folder, f"node-{part}") if options.auth else None
        start_node(f"node-{part}", part, ports[1 + part], key=key)
    if options.strangers:
        port = free_ports(1)[0]
        start_node("stranger-without-key", 0, port)
        say_refused(processes, "stranger-without-key")
        start_node("stranger-with-key", 0, port, key=make_key(folder, "stranger")[0])
        say_refused(processes, "stranger-with-key")
        other = folder / "other"
        other.mkdir()
        mistrust = ["--root-certificates", str(make_certificates(other, HOST)["ca"])]
        key = register(processes, folder, "wary")
        start_node("stranger-that-mistrusts", 0, port, trusting=mistrust, key=key)
        say_refused(processes, "stranger-that-mistrusts")


def register(processes, folder, name):
    """Make a node's key, and let the SuperLink know it; return its private half."""
    private, public = make_key(folder, f"{name}-key")
    command = ["flwr", "supernode", "register", str(public), "loopback"]
    processes.start(f"register-{name}", command)
    processes.wait(f"the key of {name}", lambda: has_ended(processes, f"register-{name}"), [])
    if processes.running.pop(f"register-{name}").returncode:
        raise Stopped(f"{name} was not registered:\n{processes.log(f'register-{name}')}")
    return private


def say_refused(processes, name):
    """Wait until a node has given up, and say why it did."""
    processes.wait(f"the end of {name}", lambda: has_ended(processes, name), ["superlink"])
    code, said = processes.running.pop(name).returncode, " ".join(processes.log(name).split())
    # between Flower's number for it and its advice
    why = said.partition("Exit Code: ")[2].partition(" The SuperNode could not")[0]
    print(f"refused {name} (exit {code}): {why or said}", flush=True)


def has_ended(processes, name):
    """Whether a process is over."""
    return processes.running[name].poll() is not None


def rounds_done(file):
    """What the server has said of the rounds so far."""
    text = file.read_text(encoding="utf-8") if file.exists() else ""
    whole = [line for line in text.splitlines(keepends=True) if line.endswith("\n")]
    return [json.loads(line) for line in whole]


def federate(options, folder, ports):
    """Run the app over the nodes; return the fitted model and what was said of the rounds."""
    start = time.monotonic()
    output, rounds = folder / "model.joblib", folder / "rounds.jsonl"
    config = (
        f'method="{options.method}" n-rounds={options.rounds} min-nodes={options.nodes} '
        f"random-state={options.seed} "
        f"output={json.dumps(str(output))} rounds-file={json.dumps(str(rounds))}"
    )
    with Processes(folder, environment(folder)) as processes:
        try:
            start_everything(processes, options, folder, ports)
            command = ["flwr", "run", str(HERE), "loopback", "--stream", "--run-config", config]
            if options.ray:
                command += ["--federation-config", RAY.format(options.nodes)]
            processes.start("run", command)
            alive = ["superlink"]
            for number in range(1, options.rounds + 1):
                processes.wait(
                    f"round {number}",
                    lambda number=number: (
                        len(rounds_done(rounds)) >= number or has_ended(processes, "run")
                    ),
                    alive,
                )
                if len(rounds_done(rounds)) < number:
                    raise Stopped(f"the run ended in round {number}:\n{processes.log('run')}")
                seconds = time.monotonic() - start
                print(f"{seconds:.0f} s: {rounds_done(rounds)[number - 1]}", flush=True)
                if number == options.kill_after_round:
                    processes.kill(f"node-{options.nodes - 1}")
                    print(f"killed node {options.nodes - 1}", flush=True)
            processes.wait(
                "the model", lambda: output.exists() or has_ended(processes, "run"), alive
            )
            if not output.exists():
                raise Stopped(f"the run ended without a model:\n{processes.log('run')}")
            return joblib.load(output), rounds_done(rounds)
        except BaseException:
            if options.logs:
                for name in list(processes.running):
                    print(f"== {name}\n{processes.log(name)}", file=sys.stderr)
            raise


def same_on_a_laptop(options):
    """The model that one `fit` gives on the same rows with the same mishap."""
    parts = [load_part(part, options.nodes) for part in range(options.nodes)]
    names = sorted(set().union(*(X for X, _ in parts)))
    widths = {name: X[name].shape[1] for X, _ in parts for name in X}
    X = {
        name: np.concatenate(
            [X.get(name, np.full((len(y), widths[name]), np.nan)) for X, y in parts]
        )
        for name in names
    }
    y = np.concatenate([y for _, y in parts])
    clients = np.repeat(np.arange(options.nodes), [len(y) for _, y in parts])
    model = make_model(
        {"method": options.method, "n-rounds": options.rounds, "random-state": options.seed}
    )
    killed = options.kill_after_round or options.rounds
    model.set_params(
        dropout_rate=lambda number, client: float(client == options.nodes - 1 and number > killed)
    )
    return model.fit(X, y, clients=clients)


def read_options(words=None):
    """Options of the command line, or of a list of words."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--method", choices=METHODS, default="FedAvg")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--nodes", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kill-after-round", type=int, metavar="N", help="kill the last node then")
    parser.add_argument("--tls", action="store_true", help="encrypt, with certificates made here")
    parser.add_argument(
        "--auth", action="store_true", help="encrypt, and let only registered nodes in"
    )
    parser.add_argument(
        "--strangers",
        action="store_true",
        help="with --auth, also start nodes that are refused: without a key, with one that is not "
        "registered, and one that does not trust the SuperLink's certificate",
    )
    parser.add_argument(
        "--ray",
        action="store_true",
        help="simulated nodes in ray instead of SuperNodes (needs ray, which contacts the outside)",
    )
    parser.add_argument("--compare", action="store_true", help="also fit the same in one process")
    parser.add_argument("--output", help="where to keep the model; else it goes with the rest")
    parser.add_argument("--logs", action="store_true", help="show all logs if something fails")
    options = parser.parse_args(words)
    if options.ray and options.kill_after_round:
        parser.error("a node simulated by ray is no process that could be killed")

    options.auth |= options.strangers
    options.tls |= options.auth
    if options.ray and options.auth:
        parser.error("nodes simulated by ray do not register")
    return options


def main():
    options = read_options()
    # a polite end by SIGTERM cleans up as well; a shell starts background jobs deaf to Ctrl-C
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    signal.signal(signal.SIGINT, signal.default_int_handler)
    ports = free_ports(1 + options.nodes)
    folder = Path(tempfile.mkdtemp(prefix="skmm-"))
    print(f"ports {ports}, folder {folder}", flush=True)
    start = time.monotonic()
    try:
        model, rounds = federate(options, folder, ports)
        if options.output:
            shutil.copy(folder / "model.joblib", options.output)
    finally:
        shutil.rmtree(folder)
    print(f"{len(rounds)} rounds over {options.nodes} nodes: {time.monotonic() - start:.0f} s")

    X, y = load_test()
    print(f"{type(model).__name__}: accuracy {model.score(X, y):.3f} on rows that no node has")
    if options.compare:
        laptop = same_on_a_laptop(options)
        print(f"the same by one fit: accuracy {laptop.score(X, y):.3f}")
        ours, theirs = laptop.module_.state_dict(), model.module_.state_dict()
        gap = max(float((ours[key] - theirs[key]).abs().max()) for key in ours)
        print(f"largest difference of a weight: {gap:g}")


if __name__ == "__main__":
    main()
