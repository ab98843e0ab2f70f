# Every target makes and uses .venv by itself. PIP_ARGS is passed to pip.
PYTHON ?= python3
BIN := .venv/bin
ENV := PATH="$(CURDIR)/$(BIN):$$PATH"
# on a CPU more threads than cores cost factors; a value of your own is left alone
export OMP_NUM_THREADS ?= 1

.PHONY: demo test test-slow conformance bench lint clean

demo: .venv/installed
	$(ENV) deepspeed --num_gpus 1 scripts/train.py

# a file's tests share what they built, so files and not tests are dealt out
test: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

test-slow: .venv/installed
	$(ENV) $(BIN)/python -m pytest -m slow

conformance: .venv/installed
	$(BIN)/python -m pytest tests/conformance

bench: .venv/installed
	OMP_NUM_THREADS=2 $(BIN)/python -m benchmarks.prefix_sharing
	$(BIN)/python -m benchmarks.asking

lint: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# torch and torchvision come as a pair: one from another index than the other does not find its operators
.venv/installed: setup.cfg pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --constraint constraints.txt $(PIP_ARGS) torch torchvision
	$(BIN)/python -m pip install --quiet --constraint constraints.txt $(PIP_ARGS) --editable ".[test]"
	touch $@

clean:
	rm -rf .venv build *.egg-info
