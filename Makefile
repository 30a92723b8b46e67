# Everything a newcomer needs: `make demo` to see it work, `make test` to believe it.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# In CI nothing is skipped: there the packages are installed that only examples and exchange formats are tried with.
COMMA := ,
EXTRAS := dev$(if $(CI),$(COMMA)interop)

.PHONY: demo test lint docs transcripts bench mutants soak ksy samples clean

demo: $(READY)  ## check and extract a sample, verify the result against its report
	$(BIN)/python samples/demo.py $(BIN)/qcowscope

# One process more than there are processors, since a fifth of the time tests wait for terminals and servers.
test: $(READY) lint  ## lint, types and every test
	$(BIN)/python -m pytest -n $$(($$(nproc) + 1))

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(READY)  ## build the documentation into site/; a warning is an error
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev,docs]'
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

transcripts: $(READY)  ## run the sessions of README and docs/ again, and write what they print today
	$(BIN)/python -m tests.transcripts

bench: $(READY)  ## time our commands and their peers in turn (needs qemu-img; see python -m tests.bench --help)
	-$(PYTHON) -m venv bench-output/peers && \
	  bench-output/peers/bin/python -m pip install --quiet --disable-pip-version-check dissect.hypervisor libqcow-python
	$(BIN)/python -m tests.bench --peer-python bench-output/peers/bin/python \
	  --markdown bench-output/bench.md --json bench-output/bench.json
	$(BIN)/python -m tests.bench.screens --markdown bench-output/screens.md

mutants: $(READY)  ## does a test fail when a line is changed? (MODULE=mapping SAMPLE=40 SEED=11 for a part)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev,mutants]'
	$(BIN)/python -m tests.mutants $(if $(MODULE),--module $(MODULE)) $(if $(SAMPLE),--sample $(SAMPLE)) \
	  $(if $(SEED),--seed $(SEED))

soak: $(READY)  ## hold every way to read a disk against QEMU, on images that it makes in any order (FOR=600 seconds)
	$(BIN)/python -m tests.soak --seconds $(or $(FOR),600)

ksy: $(READY)  ## recompile ksy/*.ksy and ksy/guest/*.ksy into forensic/format/ (needs Node)
	$(BIN)/python ksy/compile.py

samples: $(READY)  ## rebuild samples/sound/ (needs qemu-img, qemu-io, e2image)
	$(BIN)/python -m samples.build

$(READY): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[$(EXTRAS)]'
	touch $@

clean:
	rm -rf $(VENV) dist build site demo-output bench-output .pytest_cache .mypy_cache .ruff_cache .hypothesis
