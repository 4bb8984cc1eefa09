# Every target sets up .venv by itself; nothing here needs root but test-slurm's packages.
PYTHON ?= python3
CORES ?= 2
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
VALIDATOR := build/crate/.ready
SNAKEMAKE := $(BIN)/snakemake --cores $(CORES)

.PHONY: help setup validator demo paper test test-library test-workflow test-slurm library-then-slurm lint format bench lock generated clean

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: $(READY)  ## make .venv from requirements.lock

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(f"neurospect needs Python 3.11 or newer; {sys.executable} is {sys.version.split()[0]}. Say which to use: make PYTHON=python3.11 ...") if sys.version_info < (3, 11) else None'
	@echo "Setting up $(VENV) from requirements.lock (a minute or two) ..."
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/pip install --disable-pip-version-check --quiet -r requirements.lock
	$(BIN)/pip install --disable-pip-version-check --quiet --no-deps --editable .
	@touch $@

validator: $(VALIDATOR)  ## RO-Crate's validator, which tests judge crates by, in build/crate

$(VALIDATOR): tests/workflow/crate_validator.lock
	$(PYTHON) -m venv --clear build/crate
	build/crate/bin/pip install --disable-pip-version-check --quiet -r $<
	@touch $@

demo: $(READY)  ## figures 1 to 8 on real digits and simulated data, raw files to report, in minutes
	$(SNAKEMAKE) --quiet host reason --configfile config/demo.yaml
	$(SNAKEMAKE) --quiet all --configfile config/demo.yaml --report results/report.html
	$(BIN)/neurospect audit results
	@echo "Done. Open the report: $(CURDIR)/results/report.html"

paper: $(READY)  ## figures 1 to 3 at the paper's sizes (hours; on a cluster see docs/cluster.md)
	$(SNAKEMAKE) --configfile config/paper.yaml

test: $(READY) $(VALIDATOR)  ## lint and every test that can run here, side by side
	$(MAKE) --no-print-directory --jobs lint test-workflow library-then-slurm

test-library: $(READY)  ## tests of the library alone
	$(BIN)/pytest tests/unit

test-workflow: $(READY) $(VALIDATOR)  ## real runs of the workflow
	$(BIN)/pytest tests/workflow

library-then-slurm: $(READY)
	$(BIN)/pytest tests/unit tests/slurm

test-slurm: $(READY)  ## install Debian's Slurm (root) and run the workflow through sbatch
	command -v slurmctld >/dev/null || { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq slurm-wlm munge; }
	$(BIN)/pytest -m slurm

lint: $(READY)  ## formatting, types, and which module may import which
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check workflow rules
	$(BIN)/snakemake --lint --configfile config/demo.yaml
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(READY)
	$(BIN)/ruff check --fix --quiet .
	$(BIN)/ruff format .
	$(BIN)/snakefmt workflow rules

bench: $(READY)  ## measure, side by side, and write docs/benchmarks.md and docs/reliability.md (hours)
	$(BIN)/python benchmarks/spectra.py
	$(BIN)/python benchmarks/spectra_kernels.py
	$(BIN)/python benchmarks/ica.py
	$(BIN)/python benchmarks/participant.py
	$(BIN)/python benchmarks/audit.py
	$(BIN)/python benchmarks/scale.py
	[ ! -d results/simulated-rest/rest_cnn3d ] || $(BIN)/python benchmarks/grid.py
	$(BIN)/python benchmarks/calibration.py
	$(BIN)/python benchmarks/saliency.py
	$(BIN)/python benchmarks/saliency_removal.py
	$(BIN)/python benchmarks/saliency_synthetic.py --seeds 10
	$(BIN)/python benchmarks/reliability.py

generated: $(READY)  ## rewrite what is generated: default config, schemas, conda envs
	$(BIN)/python -m neurospect.settings config
	$(BIN)/python -m neurospect.provenance.environment envs

lock: ## renew requirements.lock from pyproject.toml
	rm -rf build/lock && $(PYTHON) -m venv build/lock
	build/lock/bin/pip install --quiet torch==2.13.0
	build/lock/bin/pip install --quiet -e '.[workflow,dev]'
	build/lock/bin/pip freeze --exclude-editable | sed 's/^torch==.*/torch==2.13.0/' > requirements.lock

clean:  ## remove results and .venv
	rm -rf results/* $(VENV) .snakemake
