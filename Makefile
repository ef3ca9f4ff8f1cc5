# Every target sets up what it needs: Python 3.11 or newer, a C++20 compiler and make are enough to begin with.
PYTHON ?= $(firstword $(shell command -v python3.11 python3.12 python3.13 python3))
BIN := .venv/bin
DATA ?= build/demo/edf
CACHE := build/demo/cache$(if $(filter build/demo/edf,$(DATA)),,-$(notdir $(abspath $(DATA)/..)))
SEIZUREKIT := $(BIN)/seizurekit
CPP := $(shell find csrc tests/fuzz -name '*.cpp' -o -name '*.hpp')
NATIVE := CMakeLists.txt pyproject.toml constraints/cpu.txt $(shell find csrc -type f) $(wildcard kernels/*/*.cu kernels/*/*.cuh kernels/*/*.cmake)

.PHONY: demo test lint format bench fuzz wheel clean

.venv/.base:
	$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "seizurekit needs Python 3.11 or newer; set PYTHON")'
	$(PYTHON) -m venv .venv
	touch $@

.venv/.built: .venv/.base $(NATIVE)
	$(BIN)/pip install -q --disable-pip-version-check -c constraints/cpu.txt scikit-build-core pybind11 cmake ninja
	$(BIN)/pip install -q --disable-pip-version-check -c constraints/cpu.txt --no-build-isolation --config-settings=cmake.define.SEIZUREKIT_WERROR=$(if $(CI),ON,OFF) -e .
	touch $@

.venv/.dev: .venv/.built
	$(BIN)/pip install -q --disable-pip-version-check -c constraints/cpu.txt --no-build-isolation --config-settings=cmake.define.SEIZUREKIT_WERROR=$(if $(CI),ON,OFF) -e '.[test,dev]'
	touch $@

# A detector from nothing: corpus, store, training, scores, and the events of a recording that training never saw.
# `make demo DATA=<tusz>/edf` takes a real corpus.
demo: .venv/.built
ifeq ($(DATA),build/demo/edf)
	$(SEIZUREKIT) synth $(DATA)
endif
	$(SEIZUREKIT) build-cache --data-dir $(DATA) --cache-dir $(CACHE)
	$(SEIZUREKIT) train configs/demo.yaml --overwrite cache.dir=$(CACHE)
	$(SEIZUREKIT) evaluate runs/demo/best.safetensors --cache-dir $(CACHE) --split dev
	unseen=$$(grep -rl --include='*.csv_bi' ',seiz,' $(DATA)/eval | LC_ALL=C sort | head -n 1); \
	test -n "$$unseen" || { echo "no recording with a seizure below $(DATA)/eval, none to detect in"; exit 1; }; \
	$(SEIZUREKIT) detect runs/demo/best.safetensors "$${unseen%.csv_bi}.edf" runs/demo/unseen.tsv --report runs/demo/report.png
	@echo "Look at runs/demo/report.png; the figures are in runs/demo/evaluate-dev/metrics.json"

test: lint
	$(BIN)/python -m pytest -n 2 --dist worksteal

lint: .venv/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/codespell
	@$(BIN)/clang-format --dry-run --Werror $(CPP)
	@$(BIN)/run-clang-tidy.py -quiet -j 2 -p $$(ls -d build/cp* | head -n 1) -extra-arg=-Wno-error -extra-arg=-Wno-unknown-warning-option -clang-tidy-binary $(BIN)/clang-tidy 'csrc/' > build/clang-tidy.log 2>&1 || { cat build/clang-tidy.log; exit 1; }

format: .venv/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/clang-format -i $(CPP)

bench: .venv/.dev
	$(BIN)/python -m bench.edf
	$(BIN)/python -m bench.pipeline
	$(BIN)/python -m bench.startup
	$(BIN)/python -m bench.loader
	$(BIN)/python -m bench.loader --source s3 --step-ms 150
	$(BIN)/python -m bench.opening
	$(BIN)/python -m bench.kernels
	$(BIN)/python -m bench.train
	$(BIN)/python -m bench.loop
	$(BIN)/python -m bench.loop --source s3 --step-ms 150
	$(BIN)/python -m bench.telemetry

fuzz: .venv/.dev
	$(BIN)/python tests/fuzz/run.py --seconds 600
	$(BIN)/python tests/fuzz/test_annotations_fuzz.py --inputs 1000000 --seed 1

wheel: .venv/.dev
	$(BIN)/pip wheel --no-deps --no-build-isolation -w dist .

clean:
	rm -rf .venv build dist
