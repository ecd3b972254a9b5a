"""How many random cases are run, and whether they are the same on every run.

``SK_MMBALANCE_FUZZ`` is the number of cases of each family: 25 if it is not set. With
``SK_MMBALANCE_FUZZ_RANDOM`` they differ from run to run (``--hypothesis-seed`` repeats one). With
``SK_MMBALANCE_FUZZ_COUNTS`` findings end no test: outcomes are counted into the file of that name
(``make fuzz``).
"""

import json
import os
from pathlib import Path

from hypothesis import HealthCheck, Phase, settings
from hypothesis.internal.conjecture import providers

# hypothesis also draws constants that it finds in the modules that happen to be loaded, so that
# cases would differ with the tests that ran before; there is no setting for it
NO_CONSTANTS = providers.Constants()
vars(providers)["_get_local_constants"] = lambda: NO_CONSTANTS

settings.register_profile(
    "cases",
    max_examples=int(os.environ.get("SK_MMBALANCE_FUZZ", "25")),
    derandomize=not os.environ.get("SK_MMBALANCE_FUZZ_RANDOM"),
    database=None,
    deadline=None,
    print_blob=True,
    phases=(Phase.generate, Phase.shrink),
    suppress_health_check=list(HealthCheck),
)
settings.load_profile("cases")


def pytest_sessionfinish():
    """Write down what came out, if a file is named."""
    from ._judge import COUNTS

    if file := os.environ.get("SK_MMBALANCE_FUZZ_COUNTS"):
        Path(file).write_text(json.dumps(COUNTS))


def pytest_terminal_summary(terminalreporter):
    """Say what came out, by family: of this process, and so of a run without ``-n``."""
    from ._judge import COUNTS, FIRST

    for finding in FIRST.values():
        terminalreporter.section("a finding")
        terminalreporter.write_line(finding)
    if COUNTS:
        terminalreporter.section("random cases")
    for family, counts in COUNTS.items():
        told = ", ".join(f"{kind} {number}" for kind, number in counts.most_common())
        terminalreporter.line(f"{family}: {told}")
