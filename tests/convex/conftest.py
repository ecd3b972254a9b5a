"""What the tests of this room share."""

import subprocess
import sys
import textwrap

import pytest


@pytest.fixture
def run_python():
    """Run a script in a fresh interpreter; fail with its error output."""

    def run(script):
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr

    return run
