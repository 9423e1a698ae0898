# Everything here needs Python 3.11 or newer, pip and make, and nothing done before.

VENV := .venv
BIN := $(VENV)/bin

# The first that exists and is new enough; `make test PYTHON=/path/to/python` decides.
PYTHON ?= $(shell for name in python3.11 python3.12 python3.13 python3 python; do \
	"$$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& { echo "$$name"; break; }; done)

# On Linux the torch of PyPI brings several GB of CUDA. Where pip does not find a CPU
# build by itself, say make TORCH_INDEX=<address of an index that has one>.
TORCH_INDEX ?=
TORCH := $(shell sed -n 's/^ *"\(torch==[^"]*\)".*/\1/p' pyproject.toml)

# Layers 0 to 4 of docs/architecture.md, and what else passes mypy --strict.
STRICT := $(wildcard $(addprefix nervure/, _version.py config.py errors.py dtypes.py \
	ir prims autodiff passes exec datasets))

# Twice quiet: errors only. One line a stage is ours to write.
PIP := $(BIN)/python -m pip --quiet --quiet --disable-pip-version-check
# The versions of everything, also of what the extras need; tools/lock.py writes them.
LOCKED := --constraint constraints.txt

PEERS := $(patsubst benchmarks/environments/%.txt,.venv-peers/%/peer.stamp, \
	$(wildcard benchmarks/environments/*.txt))

# A million inputs a format takes hours; `make fuzz FUZZ="--inputs 20000 png"` for less.
FUZZ ?= --inputs 1000000

# The parity tests ask this Python; named here, it must be there.
KERAS := NERVURE_KERAS_PYTHON=$(CURDIR)/.venv-keras/bin/python

.DEFAULT_GOAL := help
.PHONY: help venv keras-env mnist test test-full lint fuzz audit dist format docs bench \
	bench-peers test-gpu bench-gpu studio chromium axe clean

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 20

venv: $(VENV)/dev.stamp  ## make .venv with everything that tests and lint need

keras-env: .venv-keras/keras.stamp  ## make .venv-keras: the real Keras of the parity tests

mnist: $(VENV)/run.stamp  ## train the lecture's first network on MNIST
	@$(BIN)/nervure mnist

test: $(VENV)/dev.stamp .venv-keras/keras.stamp chromium axe  ## run the tests
	@$(KERAS) $(BIN)/python -m pytest

test-full: $(VENV)/dev.stamp .venv-keras/keras.stamp chromium axe  ## run the tests, the slow ones as well
	@$(KERAS) $(BIN)/python -m pytest -m "slow or not slow"

lint: $(VENV)/dev.stamp  ## ruff check, ruff format --check, mypy --strict
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy $(STRICT)

fuzz: $(VENV)/fuzz.stamp  ## attack every reader of files, led by coverage
	@$(BIN)/python -m tests.trust.fuzz --guided $(FUZZ)

audit: $(VENV)/dev.stamp  ## look for known holes in what is installed (asks pypi.org)
	@$(BIN)/python tools/audit.py

dist: $(VENV)/dev.stamp  ## build wheel and sdist into dist, the same bytes each time
	@$(BIN)/python tools/build_distributions.py dist

format: $(VENV)/dev.stamp  ## mend layout and order of imports
	@$(BIN)/ruff check --fix-only .
	@$(BIN)/ruff format .

studio:  ## rebuild the studio's pages from studio/ (needs Node 20 and npm)
	@cd studio && npm ci --silent && npm run --silent build

# The tests of the studio's pages look for both, and say so when they are skipped.
chromium:  ## install Debian's chromium, where that is possible
	@command -v chromium >/dev/null || { test "$$(id -u)" = 0 \
		&& command -v apt-get >/dev/null && echo "installing chromium (300 MB)" \
		&& apt-get -qq update >/dev/null \
		&& apt-get -qq install --yes chromium >/dev/null 2>&1; } \
	|| echo "no chromium: the studio's pages are not tested (apt-get install chromium)"

axe:
	@test -e studio/node_modules/axe-core/axe.min.js \
	|| { command -v npm >/dev/null && echo "installing axe-core" \
		&& (cd studio && npm ci --silent); } \
	|| echo "no npm: the studio's pages are not tested with axe-core"

docs: $(VENV)/docs.stamp  ## build the documentation into build/docs
	@$(BIN)/python -m sphinx -q -W --keep-going -b html docs build/docs
	@echo "build/docs/index.html"

bench: $(VENV)/dev.stamp bench-peers  ## measure Nervure and its peers on this machine
	@$(BIN)/python -m benchmarks.run
	@$(BIN)/python -m benchmarks.kernels
	@$(BIN)/python -m benchmarks.inference --output benchmarks/INFERENCE.md

test-gpu: $(VENV)/dev.stamp  ## run the tests of the xla executor on a GPU, if there is one
	@$(BIN)/python -m benchmarks.gpu --check && $(BIN)/python -m pytest tests/exec/xla \
		|| test $$? -eq 3

bench-gpu: $(VENV)/dev.stamp  ## measure training on a GPU, if there is one
	@$(BIN)/python -m benchmarks.gpu

bench-peers: $(PEERS)  ## make the environments of the peers (5 GB)

clean:  ## remove .venv, caches and build products
	@rm -rf $(VENV) .venv-keras build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache
	@rm -rf .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Debian's Python may lack ensurepip; then the pip that runs outside puts one in.
$(VENV)/python.stamp:
	@test -n "$(PYTHON)" || { echo "no Python 3.11 or newer was found;" \
		"install one or say make PYTHON=/path/to/python" >&2; exit 1; }
	@echo "making $(VENV) with $$($(PYTHON) --version)"
	@rm -rf $(VENV)
	@$(PYTHON) -m venv $(VENV) >/dev/null 2>&1 || { \
		rm -rf $(VENV) \
		&& $(PYTHON) -m venv --without-pip $(VENV) \
		&& $(PYTHON) -m pip --quiet --quiet --disable-pip-version-check \
			--python $(BIN)/python install pip; }
	@touch $@

$(VENV)/run.stamp: pyproject.toml | $(VENV)/python.stamp
	@echo "installing nervure and matplotlib"
	@$(PIP) install --editable '.[plot]'
	@touch $@

$(VENV)/dev.stamp: pyproject.toml constraints.txt | $(VENV)/python.stamp
	@echo "installing $(TORCH) (200 MB)"
	@$(PIP) install $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX)) $(TORCH)
	@echo "installing nervure with the tools for tests and lint"
	@$(PIP) install $(LOCKED) --editable '.[dev]'
	@touch $(VENV)/run.stamp $@

$(VENV)/fuzz.stamp: $(VENV)/dev.stamp
	@echo "installing atheris (35 MB)"
	@$(PIP) install $(LOCKED) --editable '.[fuzz]'
	@touch $@

$(VENV)/docs.stamp: pyproject.toml constraints.txt | $(VENV)/python.stamp
	@echo "installing what builds the documentation"
	@$(PIP) install $(LOCKED) --editable '.[docs]'
	@touch $@

# The pip of $(VENV) installs in the environments below too: they need none of their own.
.venv-keras/keras.stamp: tests/parity/environment.txt | $(VENV)/python.stamp
	@echo "installing Keras with JAX for the parity tests (150 MB)"
	@$(BIN)/python -m venv --without-pip .venv-keras
	@$(PIP) --python .venv-keras/bin/python install --requirement $<
	@touch $@

.venv-peers/%/peer.stamp: benchmarks/environments/%.txt | $(VENV)/python.stamp
	@echo "making .venv-peers/$*"
	@$(BIN)/python -m venv --without-pip .venv-peers/$*
	@$(PIP) --python .venv-peers/$*/bin/python install --requirement $< \
		$(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX))
	@touch $@
