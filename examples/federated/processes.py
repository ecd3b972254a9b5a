"""Start processes, watch them, and leave none behind."""

import contextlib
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

HOST = "127.0.0.1"
ENDS = (signal.SIGINT, signal.SIGTERM)
PATIENCE = 300  # seconds for one step on a busy machine


class Stopped(Exception):
    """A process ended that should not have."""


def parents():
    """Parent of every process of this machine that is alive, by process id."""
    if Path("/proc/self/stat").exists():
        found = {}
        for entry in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                # after the name, which may hold anything: state, parent, ...
                state, parent = entry.read_text().rpartition(")")[2].split()[:2]
                if state not in "ZX":
                    found[int(entry.parent.name)] = int(parent)
        return found
    listed = subprocess.run(
        ["ps", "-A", "-o", "pid=,ppid=,stat="], capture_output=True, text=True, check=True
    ).stdout
    fields = (line.split() for line in listed.splitlines())
    return {int(pid): int(ppid) for pid, ppid, state in fields if not state.startswith("Z")}


def with_descendants(pids):
    """These processes and all that they have started."""
    by_process, found = parents(), set(pids)
    while more := {pid for pid, parent in by_process.items() if parent in found} - found:
        found |= more
    return found & set(by_process)


@contextlib.contextmanager
def whole_step():
    """Let a signal that would end this script wait until a step is done."""
    caught = []
    before = {each: signal.signal(each, lambda number, _: caught.append(number)) for each in ENDS}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
    for number in caught:
        signal.raise_signal(number)


class Processes:
    """Long-running processes, each with its log; on leaving, all of them end."""

    def __init__(self, folder, environment):
        self.folder = folder
        self.environment = environment
        self.running = {}
        self.seen = set()
        self.next_look = 0.0

    def __enter__(self):
        return self

    def start(self, name, command):
        """Start a command; what it says goes to a file."""
        # between its start and its place in the list a process would be lost to `__exit__`
        with open(self.folder / f"{name}.log", "wb") as log, whole_step():
            self.running[name] = subprocess.Popen(
                command,
                env=self.environment,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C comes to this script alone, which then stops them
            )
        return self.running[name]

    def log(self, name):
        """What a process has said."""
        return (self.folder / f"{name}.log").read_text(encoding="utf-8", errors="replace")

    def wait(self, what, is_so, watched=()):
        """Wait until something is so, while the watched processes live."""
        end = time.monotonic() + PATIENCE
        while not (value := is_so()):
            for name in watched:
                if self.running[name].poll() is not None:
                    raise Stopped(f"{name} ended while waiting for {what}:\n{self.log(name)}")
            if time.monotonic() > end:
                logs = "\n".join(f"== {name}\n{self.log(name)}" for name in self.running)
                raise TimeoutError(f"waited {PATIENCE} seconds for {what}\n{logs}")
            self.look()
            time.sleep(0.1)
        return value

    def look(self):
        """Remember what the processes have started, at most once a second."""
        if time.monotonic() >= self.next_look:
            self.seen |= with_descendants(process.pid for process in self.running.values())
            self.next_look = time.monotonic() + 1

    def kill(self, name):
        """End a process and all that it has started, without a chance to say goodbye."""
        process = self.running.pop(name)
        for pid in with_descendants([process.pid]):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait()

    def __exit__(self, *error):
        # a second Ctrl-C must not leave half of them behind
        before = {each: signal.signal(each, signal.SIG_IGN) for each in ENDS}
        try:
            roots = list(self.running.values())
            self.seen |= with_descendants(process.pid for process in roots)
            # a SuperNode takes leave of the SuperLink, so the SuperLink, started first, goes last
            for process in reversed(roots):
                process.terminate()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(10)
            self._end_rest()
            for process in roots:
                process.wait()
        finally:
            for each, handler in before.items():
                signal.signal(each, handler)

    def _end_rest(self):
        """Wait for what the processes had started: it ends itself when its parent is gone."""
        rest = self._wait_for(self.seen, seconds=10)
        for pid in rest:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._wait_for(rest, seconds=10)

    @staticmethod
    def _wait_for(pids, seconds):
        """Wait for processes to end; return those that did not."""
        end = time.monotonic() + seconds
        while (rest := pids & set(parents())) and time.monotonic() < end:
            time.sleep(0.1)
        return rest


def free_ports(number):
    """Ports that nobody listens on."""
    sockets = [socket.socket() for _ in range(number)]
    try:
        for each in sockets:
            each.bind((HOST, 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()
