"""pytest plugins of the mutation runner: which tests reach what, and only some of them."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path

import pytest


class Durations:
    """Writes the processor time of every test into a file."""

    def __init__(self, file: Path):
        self.file, self.seconds = file, {}

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_protocol(self, item):
        start = time.process_time()
        yield
        self.seconds[item.nodeid] = time.process_time() - start

    def pytest_sessionfinish(self, session):
        self.file.write_text(json.dumps(self.seconds))


class Only:
    """Keeps the named tests, the quickest first, and notes the one that failed."""

    def __init__(self, seconds: Mapping[str, float], note: Path):
        self.seconds, self.note = seconds, note

    def pytest_collection_modifyitems(self, config, items):
        kept = [item for item in items if item.nodeid in self.seconds]
        items[:] = sorted(kept, key=lambda item: (self.seconds[item.nodeid], item.nodeid))

    def pytest_runtest_logreport(self, report):
        if report.failed:
            self.note.write_text(report.nodeid)

    def pytest_collectreport(self, report):
        if report.failed:
            self.note.write_text(f"collection of {report.nodeid}")
