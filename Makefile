# hfv-builder. `make` alone lists the targets; README.md tells the story.
# Every target sets up what it needs first; with nothing to set up that costs a few milliseconds.

PYTHON    ?= python3
VENV      := .venv
BIN       := $(VENV)/bin
READY     := $(VENV)/.ready

# Variables are taken from make's command line alone, as in `make score GENERATOR=kling`: environments have names such as
# HOST, DEVICE, PROFILE or CLUSTER for purposes of their own. An empty one counts as not given; 0, no, false, off mean no.
given      = $(if $(filter command,$(origin $(1))),$($(1)))
on         = $(if $(filter-out 0 no No NO false False FALSE off Off OFF n N f F,$(strip $(call given,$(1)))),yes)
# $(call flag,WORKERS,--workers): the flag with the variable's value; $(call switch,REAL,--real): the flag alone.
flag       = $(if $(call given,$(1)),$(2) "$($(1))")
switch     = $(if $(call on,$(1)),$(2))
GENERATORS = $(foreach g,$(call given,GENERATOR),--generator "$(g)")
COMMON     = $(call flag,MANIFESTS,--manifests)
WHERE      = $(call flag,WORKERS,--workers) $(call flag,SCHEDULER,--scheduler) $(call flag,CLUSTER,--cluster) $(call flag,WAIT,--wait)
ONE        = --generator "$(call given,GENERATOR)"
need       = $(if $(call given,$(1)),,$(error $@ needs $(1): make $@ $(1)=$(2)))

# The review app's tests drive a browser: the one without windows, which takes a fifth less time, or else any. They are
# skipped, and say so, where none is there or can be installed.
BROWSER    = command -v chromium-headless-shell >/dev/null || \
  { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && echo "setup: installing chromium" >&2 && \
    apt-get update -qq && { apt-get install -y -qq chromium-headless-shell >/dev/null 2>&1 || \
    command -v chromium >/dev/null || apt-get install -y -qq chromium >/dev/null; }; } || true

# Without its bytecode beside it torch is compiled anew by every command, which takes longer than most commands.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup demo catalog score select label split audit release train evaluate predict reproduce status show weights review guide bench \
  lint test clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(READY)  ## install everything into .venv (the other targets do it themselves)

$(READY): requirements.lock pyproject.toml setup.sh
	@PYTHON="$(PYTHON)" sh setup.sh $(VENV)

demo: $(READY)  ## render sample clips and run the whole pipeline on them
	@$(BIN)/hfv demo $(call flag,OUT,--out) $(call flag,SEED,--seed) $(call flag,WORKERS,--workers)

# Exit code 3 of hfv: some clips failed, the others are done. Make would turn it into its own 2 and stop what follows.
GOES_ON    = || { code=$$?; [ $$code = 3 ] || exit $$code; \
  echo "make $@: done, but some clips failed; how many and why is said above, and in their rows" >&2; }

FOLDER     = $(or $(call given,CLIPS),data/clips/$(call given,GENERATOR))
CATALOG    = $(BIN)/hfv catalog $(ONE) --clips "$(FOLDER)" $(call flag,PROMPTS,--prompts) \
  $(call switch,PROMPTS_IN_NAMES,--prompts-in-names) $(call switch,REAL,--real) $(call switch,RETRY,--retry-failed) \
  $(COMMON) $(WHERE)

catalog: $(READY)  ## list the clips of GENERATOR, found in CLIPS
	$(call need,GENERATOR,kling)
	@$(CATALOG) $(GOES_ON)

score: $(READY)  ## catalogue, then score the clips of GENERATOR with PROFILE
	$(call need,GENERATOR,kling)
	@$(CATALOG) $(GOES_ON)
	@$(BIN)/hfv score $(ONE) $(call flag,PROFILE,--profile) $(call flag,METRICS,--metrics) \
	  $(call flag,DEVICE,--device) $(call flag,DEADLINE,--deadline) $(call switch,RETRY,--retry-failed) $(COMMON) $(WHERE) \
	  $(GOES_ON)

label: $(READY)  ## rank the scores of PROFILE (else the only one) and name the labels
	@$(BIN)/hfv label $(GENERATORS) $(call flag,PROFILE,--profile) \
	  $(call switch,ALLOW_MIXED,--allow-mixed) $(call switch,BY_FORMAT,--by-format) $(COMMON)

split: $(READY)  ## divide the labelled clips into train, val and test
	@$(BIN)/hfv split $(GENERATORS) $(call flag,LABELS,--labels) $(call flag,PROTOCOL,--protocol) \
	  $(call flag,GROUP,--group) $(call flag,OVERLAP,--overlap) $(call switch,ALLOW_PARTIAL,--allow-partial) \
	  $(call switch,STRONG_ONLY,--strong-only) $(COMMON)

release: $(READY)  ## make a data set that others load: NAME and VERSION
	$(call need,NAME,my-set)
	$(call need,VERSION,1.0.0)
	@$(BIN)/hfv release "$(call given,NAME)" --version "$(call given,VERSION)" $(call flag,OUT,--out) \
	  $(call flag,MEDIA,--media) $(call flag,VARIANTS,--variants) $(call flag,FORMAT,--format) \
	  $(call flag,SETTINGS,--settings) $(call switch,ALLOW_LITE,--allow-lite) $(COMMON) $(WHERE)

select: $(READY)  ## choose a balanced subset before labelling
	@$(BIN)/hfv select $(GENERATORS) $(call flag,PER_GENERATOR,--per-generator) $(call flag,BALANCE,--balance) \
	  $(call flag,SEED,--seed) $(call switch,ALL,--all) $(COMMON)

audit: $(READY)  ## say what a careful reviewer would object to
	@$(BIN)/hfv audit $(GENERATORS) $(call flag,AGAINST,--against) $(call flag,RELEASE,--release) \
	  $(call flag,TOPICS,--topics) $(call flag,PEOPLE,--people) $(call switch,RETRY,--retry-failed) $(COMMON) $(WHERE)

ONTO       = --release "$(call given,RELEASE)" $(call flag,OUT,--out) $(call flag,CACHE,--cache) $(call flag,DEVICE,--device) \
  $(call flag,THREADS,--threads) $(call flag,SEED,--seed) $(COMMON)

train: $(READY)  ## train DETECTOR on RELEASE
	$(call need,DETECTOR,clip-svm)
	$(call need,RELEASE,releases/my-set-1.0.0)
	@$(BIN)/hfv train "$(call given,DETECTOR)" $(call flag,CONFIG,--config) $(call flag,TARGET,--target) \
	  $(foreach s,$(call given,SET),--set "$(s)") $(GENERATORS) $(call switch,RESUME,--resume) $(ONTO) $(GOES_ON)

evaluate: $(READY)  ## tables of RUNS on RELEASE, beside the floors
	$(call need,RELEASE,releases/my-set-1.0.0)
	@$(BIN)/hfv evaluate $(foreach r,$(call given,RUNS),"$(r)") $(ONTO) $(GOES_ON)

predict: $(READY)  ## what RUN makes of your own CLIPS, and with OUT where it looks
	$(call need,RUN,runs/my-set-1.0.0/clip-svm)
	$(call need,CLIPS,my-clips)
	@$(BIN)/hfv predict "$(call given,RUN)" $(foreach c,$(call given,CLIPS),"$(c)") $(call flag,OUT,--out) \
	  $(call switch,KEEP,--keep) $(call flag,DEVICE,--device) $(call flag,THREADS,--threads) $(COMMON) $(GOES_ON)

reproduce: $(READY)  ## train and evaluate the paper's detectors on RELEASE, and write its tables
	$(call need,RELEASE,releases/my-set-1.0.0)
	@$(BIN)/hfv reproduce $(foreach d,$(call given,DETECTOR),--detector "$(d)") $(call flag,CONFIG,--config) $(ONTO) $(GOES_ON)

status: $(READY)  ## what is done, failed and left
	@$(BIN)/hfv status $(COMMON)

show: $(READY)  ## all that is known about CLIP: an id, its beginning or a file name
	$(call need,CLIP,1f3a)
	@$(BIN)/hfv show "$(call given,CLIP)" $(COMMON)

weights: $(READY)  ## download the models that PROFILE needs, and try them
	@$(BIN)/hfv weights pull $(call flag,PROFILE,--profile) $(call flag,DIR,--dir)
	@$(BIN)/hfv weights try $(call flag,PROFILE,--profile) $(call flag,DIR,--dir) $(call flag,DEVICE,--device) \
	  $(call flag,RECORD,--record) $(call flag,COMPARE,--compare)

review: $(READY)  ## let reviewers confirm or correct the labels in a browser
	@$(BIN)/hfv review $(call flag,HOST,--host) $(call flag,PORT,--port) $(call flag,USERS,--users) \
	  $(call flag,SETTINGS,--settings) $(call flag,OVERLAP,--overlap) $(call flag,CACHE_GB,--cache-gb) \
	  $(call flag,LIST,--clips) $(call flag,RUN,--run) $(call flag,DB,--db) $(call flag,INTO,--into) \
	  $(foreach n,$(call given,NAME),--name "$(n)") $(COMMON)

guide: $(READY)  ## render the moving examples of the review's guide into review_ui/guide
	@$(BIN)/python -c 'from hfv_builder.samples.examples import write_examples; write_examples("review_ui/guide")'

bench: $(READY)  ## measure the speed against a plain loop
	@$(BIN)/python -m benchmarks

lint: $(READY)  ## ruff and mypy --strict
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

test: $(READY)  ## run the tests
	@$(BROWSER)
	@$(BIN)/pytest -n 3 --dist loadfile --no-loadscope-reorder $(call given,PYTEST)

clean:  ## remove .venv and caches (never clips, weights or manifests)
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis
