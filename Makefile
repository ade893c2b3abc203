# Everything a newcomer needs: `make demo` and `make test` set themselves up; `make help` lists all.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.setup-done
DEMO_OUT ?= results/demo

# The options of ruff live in setup.cfg with those of every other tool; ruff itself cannot read it.
RUFF = $(shell $(PYTHON) -c "import configparser as c; p = c.ConfigParser(); p.read('setup.cfg'); print(' '.join(p['ruff']['options'].split()))")

.PHONY: help setup demo docs test test-all test-wheel coverage lint results bench bench-env notebooks clean

help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

setup: $(STAMP)  ## virtual environment in .venv with all pinned dependencies

# lava-nc 0.10.0 declares Python < 3.11 and numpy < 2, but runs on 3.11 and numpy 2.3 behind a small
# shim; hence --no-deps --ignore-requires-python, with its real needs listed as the extra "lava".
# torchvision 0.28.0 belongs to torch 2.13.0; --no-deps keeps pip from replacing that by a CUDA build.
# brian2cuda 1.0a7 declares Brian2 2.8.0, but generates code with 2.9.0 too; it compiles nothing here.
$(STAMP): setup.cfg pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt 'setuptools>=77'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt \
	    --no-build-isolation --editable '.[analysis,lava,test,lint]'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
	    --no-deps --ignore-requires-python lava-nc==0.10.0
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps \
	    torchvision==0.28.0 \
	    "brian2cuda==1.0a7; python_version < '3.12'" "brian2cuda==1.0b1; python_version >= '3.12'"
	touch $(STAMP)

demo: setup  ## learn digits awake, sleep in spikes, remember: about a minute
	$(BIN)/neuro continual --dataset digits --sleep brian2 --out $(DEMO_OUT)

# What only tests and the site need. Torch libraries, whose modules from_torch reads, come with
# --no-deps: only what defines a layer is needed.
$(VENV)/.tests-done: $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt \
	    --no-build-isolation --editable '.[docs,pynn]'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps \
	    snntorch==1.0.0 norse==1.1.0 nirtorch==2.6 spikingjelly==2.0.0 loguru==0.7.3
	touch $@

test: lint $(VENV)/.tests-done  ## linters, types and the fast tests
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadgroup -m "not slow"

test-all: setup $(VENV)/.tests-done  ## the slow tests as well
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest

# Workers and Lava's processes are measured, too; modules that the pytest plugin imports as well.
coverage: $(VENV)/.tests-done  ## lines that the fast tests run, by module
	rm -rf build/coverage && mkdir -p build/coverage
	OMP_NUM_THREADS=1 $(BIN)/python -m coverage run -m pytest -n 2 --dist loadgroup -m "not slow" -q
	$(BIN)/python -m coverage combine --quiet
	$(BIN)/python -m coverage report --skip-covered --sort=cover

test-wheel: setup  ## install the wheel in empty environments of Python 3.11, 3.12 and 3.13, and use it
	$(BIN)/python -m pytest tests/test_wheel.py -m slow -v

# Static checkers do not follow the folder mapping of setup.cfg, so mypy reads a copy laid out as in
# the wheel (line numbers are those of the sources).
lint: setup  ## ruff and mypy
	$(BIN)/ruff check $(RUFF) .
	rm -rf build/typing && mkdir -p build/typing && cp -r neuro build/typing/
	cp -r backends models benchmarks tests/conformance build/typing/neuro/
	cp setup.cfg build/typing/ && cd build/typing && $(CURDIR)/$(BIN)/mypy -p neuro

bench-env: .venv-bench/.setup-done  ## environment of the peers that torch is measured beside

# With --no-deps: the peers' own lists bring much that a layer does not need.
.venv-bench/.setup-done: bench-constraints.txt
	test -x .venv-bench/bin/python || $(PYTHON) -m venv .venv-bench
	.venv-bench/bin/python -m pip install --quiet --disable-pip-version-check --constraint bench-constraints.txt \
	    torch numpy scipy matplotlib h5py loguru tqdm requests packaging nir SciencePlots
	.venv-bench/bin/python -m pip install --quiet --disable-pip-version-check --constraint bench-constraints.txt \
	    --no-deps snntorch norse spikingjelly torchvision nirtorch
	touch $@

# A virtual environment of its own on top of .venv: notebooks need much that neuro does not.
notebooks: setup  ## run the examples and write them as notebooks with outputs
	test -x .venv-notebooks/bin/python || $(BIN)/python -m venv .venv-notebooks
	.venv-notebooks/bin/python -m pip install --quiet --disable-pip-version-check jupytext nbconvert ipykernel
	echo "import site; site.addsitedir('$$(echo $(CURDIR)/$(VENV)/lib/python*/site-packages)')" \
	    > $$(echo .venv-notebooks/lib/python*/site-packages)/neuro.pth
	.venv-notebooks/bin/python -m ipykernel install --sys-prefix --name python3
	cd examples && OMP_NUM_THREADS=1 ../.venv-notebooks/bin/jupytext --quiet --to ipynb --set-kernel python3 --execute *.py

docs: $(VENV)/.tests-done  ## the documentation site, in build/site
	OMP_NUM_THREADS=1 $(BIN)/python -m sphinx --quiet --fail-on-warning --keep-going docs build/site

bench: setup  ## benchmarks, each a ratio measured in one run
	mkdir -p results && $(BIN)/neuro bench --json results/bench.json

results: setup  ## every learning figure of docs/results.md (hours; resumes)
	sh docs/results.sh $(BIN)/neuro

clean:  ## remove the environment and caches
	rm -rf $(VENV) .venv-bench .venv-notebooks build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache
