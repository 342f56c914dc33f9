# facewire: `make` alone prints this help. Every target sets up what it needs.
PYTHON ?= python3
CONFIG ?= train/configs/synthetic.toml
DATA ?=
CALIBRATION ?= calibration_data
INPUT ?= replay
EDGE_CONFIG ?= edge/facewire.toml
MODELS ?=
CLIP ?=
BOXES ?= truth
NAME :=
YES :=
BIN := .venv/bin
# The newest run is the one that `make train` touched last; evaluated when a target needs it.
RUN ?= $(shell ls -t runs/*/run.json 2>/dev/null | head -n 1 | xargs -r dirname)
RUN_DATA = $(or $(DATA),$(shell $(BIN)/python -c "import json, sys; print(*(d['path'] for d in json.load(open(sys.argv[1]))['data']))" $(RUN)/run.json))
RUN_KIND = $(shell $(BIN)/python -c "import json, sys; print(json.load(open(sys.argv[1]))['kind'])" $(RUN)/run.json)

.DEFAULT_GOAL := help
.PHONY: help setup data train convert evaluate run bench test test-oldest test-arm64 bench-arm lint clean deploy need-run

help:
	@echo "make setup                            .venv with everything"
	@echo "make data [NAME=wflw] [YES=1]         a public set into data/NAME, its terms first; without NAME: which there are"
	@echo "make train convert run                the whole line on rendered faces, no data needed"
	@echo "make train DATA=FOLDER CONFIG=TOML    train on your own labelled faces (several folders: DATA='A B')"
	@echo "make convert [RUN=runs/NAME]          int8 model of the newest run, if the parity gate holds"
	@echo "make evaluate [RUN=...] [BOXES=truth|truth5|detector]   error of the newest run on its test split"
	@echo "make run [INPUT=usb|rpi|FILE|...]     the edge loop with the newest run's model, if converted, else the shipped one"
	@echo "make bench [CLIP=FILE]                the loop beside MediaPipe (in its own .venv-mediapipe); figures in runs/bench.json"
	@echo "make deploy PI=USER@HOST [EDGE_CONFIG=TOML] [MODELS='A.tflite ...']   the service on a board; goes back if it fails"
	@echo "make test                             all tests"
	@echo "make test-oldest                      edge tests with the oldest packages that are allowed, in .venv-oldest; Python 3.11"
	@echo "make test-arm64                       edge tests and the clip on emulated Bookworm and Trixie; as root"
	@echo "make bench-arm [JSON=1]               instructions a frame of the loop on an emulated Pi 4 and Pi 5; as root"
	@echo "make lint                             ruff, mypy, import contracts"
	@echo "make clean                            remove caches, environments and build/; runs/ and .arm64/ stay"

.venv/stamp: pyproject.toml
	$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'facewire needs Python 3.11 or newer: make PYTHON=python3.11 ...')"
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[train,stream,dev]'
	touch $@

setup: .venv/stamp

data: setup
	@$(BIN)/facewire-train fetch $(if $(NAME),$(NAME) --out data/$(NAME) $(if $(YES),--yes),--list)

train: setup
	$(BIN)/facewire-train fit --config $(CONFIG) $(addprefix --data ,$(DATA))

need-run: setup
	@test -n "$(RUN)" || { echo "no finished run in runs/; start with: make train" >&2; exit 2; }
	@test -f "$(RUN)/run.json" || { echo "$(RUN) is no finished run: it has no run.json" >&2; exit 2; }

convert: need-run
	$(BIN)/facewire-convert quantize --checkpoint $(RUN)/model.keras --calibration $(CALIBRATION) \
		$(addprefix --gate-data ,$(RUN_DATA)) --out $(RUN)/$(RUN_KIND)_int8.tflite --report $(RUN)/report

evaluate: need-run
	$(BIN)/facewire-train evaluate --model $(RUN)/model.keras $(addprefix --data ,$(RUN_DATA)) --boxes $(BOXES) \
		--json $(RUN)/evaluation.json --report $(RUN)/evaluation

run: setup
	@if [ -n "$(RUN)" ] && [ -f "$(RUN)/landmarks_int8.tflite" ]; then model="--model $(RUN)/landmarks_int8.tflite"; fi; \
	exec $(BIN)/facewire-edge run --input $(INPUT) $$model

bench: setup
	$(BIN)/python -m facewire_train.bench $(if $(CLIP),--clip '$(CLIP)') --json runs/bench.json

deploy: setup
	@test -n "$(PI)" || { echo "which board? make deploy PI=user@host" >&2; exit 2; }
	PYTHON=$(BIN)/python sh edge/deploy.sh $(PI) $(EDGE_CONFIG) $(MODELS)

test: setup
	$(BIN)/python -m pytest

.venv-oldest/stamp: pyproject.toml | setup
	$(PYTHON) -c "import sys; sys.exit(sys.version_info[:2] != (3, 11) and 'the oldest packages are for Python 3.11: make PYTHON=python3.11 test-oldest')"
	test -x .venv-oldest/bin/python || $(PYTHON) -m venv .venv-oldest
	$(BIN)/python tests/oldest.py edge stream > .venv-oldest/oldest.txt
	.venv-oldest/bin/python -m pip install --quiet --disable-pip-version-check --requirement .venv-oldest/oldest.txt pytest hypothesis
	.venv-oldest/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	touch $@

test-oldest: .venv-oldest/stamp
	.venv-oldest/bin/python -m pytest tests/edge

test-arm64: setup
	PYTHON=$(BIN)/python sh tests/arm64/test.sh

bench-arm: setup
	@PYTHON=$(BIN)/python $(BIN)/python tests/arm64/bench.py $(if $(JSON),--json)

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

clean:
	rm -rf build .venv .venv-mediapipe .venv-oldest .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis *.egg-info edge/*.egg-info
	find edge train convert tests -name __pycache__ -type d -prune -exec rm -rf {} +
