# Every target makes the virtual environment it needs on first use and reuses it afterwards.
#
#   make demo    the quickstart: a table and a saved plot
#   make test    the default tests
#   make fuzz    5,000 random cases of every family (FUZZ=500 for fewer, SEED=... repeats a run)
#   make check   everything that has to hold before a change lands
#   make lint    ruff and mypy
#   make docs    the documentation, in docs/_build/html
#   make bench   the benchmarks (BENCH=benchmarks/speed.py runs one of them)
#   make peers   AutoGluon, which the opinion pool is compared with, in .venv-peers
#   make claims  whether what the pages say of results is what the data files say
#
#   make mutation, oldest, coverage, soak   now and then, an hour each: whether tests notice small
#                changes to the code, the oldest dependencies, branches taken, half an hour of work
#
#   make clean   removes what the targets above made, the environment included
#
# Another interpreter: make test PYTHON=python3.12

PYTHON ?= python3
VENV ?= .venv
PEERS ?= .venv-peers
JOBS ?= 2
SOAK_MINUTES ?= 30
FUZZ ?= 5000
BENCH ?= $(sort $(filter-out benchmarks/_%,$(wildcard benchmarks/*.py)))
EXAMPLES ?= examples/quickstart.py $(sort $(wildcard examples/plot_*.py))

BIN := $(VENV)/bin
PY := $(BIN)/python
DEV := $(VENV)/.installed-dev
DOCS := $(VENV)/.installed-docs
MUTATION := $(VENV)/.installed-mutation
OLDEST := .venv-oldest
DIST := build/package-check

# One thread a process: tests compare bits, and JOBS processes already fill the cores.
ONE_THREAD := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1
HEADLESS := MPLBACKEND=Agg
PIP_INSTALL := $(PY) -m pip install --quiet --disable-pip-version-check -c constraints.txt

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.PHONY: demo test test-all fuzz check lint format examples package docs docs-check bench peers \
  claims clean mutation oldest coverage soak help

help:
	@sed -n '2,18s/^# \{0,1\}//p' Makefile

# -- environment ---------------------------------------------------------------------------

$(DEV): pyproject.toml constraints.txt
	@command -v $(PYTHON) >/dev/null || { \
	  echo "'$(PYTHON)' was not found; install Python 3.11 or newer, or name one: make PYTHON=..."; \
	  exit 1; }
	@$(PYTHON) -c 'import sys; v = sys.version.split()[0]; \
	  sys.exit(None if sys.version_info >= (3, 11) else \
	  "sk_mmbalance needs Python 3.11 or newer, $(PYTHON) is " + v + ": make PYTHON=python3.12")'
	@echo "Making the virtual environment $(VENV) (first time: a few minutes) ..."
	@$(PYTHON) -m venv $(VENV) || { \
	  echo "No virtual environment could be made; on Debian and Ubuntu: apt install python3-venv"; \
	  exit 1; }
	$(PIP_INSTALL) -e '.[dev,plot,federated]'
	@touch $@

$(DOCS): $(DEV)
	$(PIP_INSTALL) -e '.[dev,plot,federated,docs]'
	@touch $@

# -- use -----------------------------------------------------------------------------------

demo: $(DEV)
	$(HEADLESS) $(PY) examples/quickstart.py

bench: $(DEV)
	@for script in $(BENCH); do echo "== $$script"; $(ONE_THREAD) $(PY) $$script; done
	$(PY) docs/_ext/result_tables.py

$(PEERS)/.installed: benchmarks/peers.txt
	$(PYTHON) -m venv $(PEERS)
	$(PEERS)/bin/python -m pip install --quiet --disable-pip-version-check -r benchmarks/peers.txt
	@touch $@

peers: $(PEERS)/.installed

docs: $(DOCS)
	$(ONE_THREAD) $(HEADLESS) $(BIN)/sphinx-build -W --keep-going -b html docs docs/_build/html
	@echo "Open docs/_build/html/index.html"

# -- checks --------------------------------------------------------------------------------

lint: $(DEV)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(DEV)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

test: $(DEV)
	$(ONE_THREAD) $(HEADLESS) $(PY) -m pytest -n $(JOBS)

# Default and slow tests, those for a GPU where there is one, 200 random cases of every family, the
# docstrings' examples and the user guide's, in one run.
test-all: $(DEV)
	SK_MMBALANCE_FUZZ=200 $(ONE_THREAD) $(HEADLESS) $(PY) -m pytest -n $(JOBS) -m "" --durations=15 \
	  --doctest-modules --doctest-glob='*.rst' tests sk_mmbalance docs/user_guide

# Random cases that differ from run to run (SEED=... repeats one). What is found does not end it.
# A run that was stopped goes on where it was.
fuzz: $(DEV)
	$(ONE_THREAD) $(HEADLESS) $(PY) benchmarks/upkeep/fuzz.py --cases $(FUZZ) \
	  $(if $(SEED),--seed $(SEED))

# Sentences and tables of the documentation against the committed measurements; no test of code.
claims: $(DEV)
	$(ONE_THREAD) $(HEADLESS) $(PY) -m pytest -n $(JOBS) benchmarks/claims

# An example that takes longer than a minute is not named plot_*: it is neither run here nor
# by the gallery of the documentation.
examples: $(DEV)
	@for script in $(EXAMPLES); do \
	  echo "== $$script"; $(ONE_THREAD) $(HEADLESS) $(PY) $$script; done
	@for notebook in examples/*.ipynb; do \
	  echo "== $$notebook"; \
	  $(ONE_THREAD) $(PY) -m nbconvert --to notebook --execute --stdout --log-level ERROR \
	    $$notebook >/dev/null; done

# `build` makes the wheel out of the sdist, so both are seen to be whole; `twine` sees that an index
# would take them, and that the README renders there.
package: $(DEV)
	rm -rf $(DIST)
	$(PY) -m build --outdir $(DIST) . >$(VENV)/build.log 2>&1 || { cat $(VENV)/build.log; exit 1; }
	$(PY) -m twine check --strict $(DIST)/*.tar.gz $(DIST)/*.whl
	$(PY) -m venv $(DIST)/venv
	$(DIST)/venv/bin/python -m pip install --quiet --disable-pip-version-check \
	  -c constraints.txt $(DIST)/*.whl
	cd $(DIST) && venv/bin/python -c 'import sk_mmbalance as s; \
	  [getattr(s, name) for name in s.__all__]; \
	  print("wheel", s.__version__, "installed;", len(s.__all__), "names load")'
	rm -rf $(DIST)

# The pages without running the examples (`make examples` runs them), and so without their pictures.
docs-check: $(DOCS)
	$(ONE_THREAD) $(HEADLESS) $(BIN)/sphinx-build -W --keep-going -q -E \
	  -D plot_gallery=0 -D suppress_warnings=image.not_readable -b html docs docs/_build/check

# -- now and then --------------------------------------------------------------------------
# Each writes what it found, with the date and the commit, into benchmarks/results/upkeep.csv.xz.

$(MUTATION): $(DEV)
	$(PIP_INSTALL) -e '.[dev,plot,federated,mutation]'
	@touch $@

# A run that was stopped goes on where it was; MUTATION_FLAGS=--again runs the survivors anew.
mutation: $(MUTATION)
	$(ONE_THREAD) $(HEADLESS) $(PY) benchmarks/upkeep/mutation.py $(MUTATION_FLAGS)

# The lower bounds of pyproject.toml; what is not ours has the versions of constraints.txt.
$(OLDEST)/.installed: pyproject.toml constraints.txt constraints-oldest.txt
	$(PYTHON) -m venv $(OLDEST)
	{ cat constraints-oldest.txt; \
	  grep -ivf <(sed -n 's/^\([^#].*==\).*/^\1/p' constraints-oldest.txt) constraints.txt; \
	} >$(OLDEST)/constraints.txt
	$(OLDEST)/bin/python -m pip install --quiet --disable-pip-version-check \
	  -c $(OLDEST)/constraints.txt -e '.[dev,plot,federated,arrow,frames,skops,export]'
	@touch $@

oldest: $(OLDEST)/.installed
	$(ONE_THREAD) $(HEADLESS) $(OLDEST)/bin/python benchmarks/upkeep/suite.py oldest --jobs $(JOBS)

coverage: $(DEV)
	$(ONE_THREAD) $(HEADLESS) $(PY) benchmarks/upkeep/suite.py coverage --jobs $(JOBS)

soak: $(DEV)
	$(ONE_THREAD) $(HEADLESS) SOAK_MINUTES=$(SOAK_MINUTES) $(PY) benchmarks/upkeep/soak.py

check: lint package docs-check examples claims test-all

clean:
	rm -rf $(VENV) $(PEERS) $(OLDEST) build dist docs/_build docs/_generated docs/auto_examples \
	  docs/api \
	  .pytest_cache .mypy_cache .ruff_cache examples/output output *.egg-info
	find sk_mmbalance tests docs benchmarks examples -name __pycache__ -prune -exec rm -rf {} +
