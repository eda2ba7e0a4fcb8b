# hfv-builder. `make` alone lists the targets; README.md tells the story.
# Every target sets up what it needs first; with nothing to set up that costs a few milliseconds.

PYTHON    ?= python3
CLIPS     ?= data/clips/$(GENERATOR)
PROFILE   ?= paper
VENV      := .venv
BIN       := $(VENV)/bin
READY     := $(VENV)/.ready

# Variables that a target passes on to `hfv`, each as the flag of its name, and only when it is given.
# A function, so that an unset variable leaves no flag behind: $(call flag,WORKERS,--workers)
flag       = $(if $($(1)),$(2) "$($(1))")
# The same for names that environments have for purposes of their own: only if given on make's command line.
named      = $(if $(filter command,$(origin $(1))),$(2) "$($(1))")
GENERATORS = $(foreach g,$(GENERATOR),--generator "$(g)")
COMMON     = $(call flag,MANIFESTS,--manifests)
WHERE      = $(call flag,WORKERS,--workers) $(call flag,SCHEDULER,--scheduler) $(call flag,CLUSTER,--cluster) $(call flag,WAIT,--wait)
need       = $(if $($(1)),,$(error $@ needs $(1): make $@ $(1)=$(2)))

# The review app's tests drive a browser. Where it is missing and cannot be installed, they are skipped and say so.
BROWSER    = command -v chromium >/dev/null || \
  { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && echo "setup: installing chromium" >&2 && \
    apt-get update -qq && apt-get install -y -qq chromium >/dev/null; } || true

# Without its bytecode beside it torch is compiled anew by every command, which takes longer than most commands.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup demo catalog score label split status weights review bench lint test clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(READY)  ## install everything into .venv (the other targets do it themselves)

$(READY): requirements.lock pyproject.toml setup.sh
	@PYTHON="$(PYTHON)" sh setup.sh $(VENV)

demo: $(READY)  ## render sample clips and run the whole pipeline on them
	@$(BIN)/hfv demo $(call flag,OUT,--out) $(call flag,WORKERS,--workers)

# Exit code 3 of hfv: some clips failed, the others are done. Make would turn it into its own 2 and stop what follows.
GOES_ON    = || { code=$$?; [ $$code = 3 ] || exit $$code; \
  echo "make $@: done, but some clips failed; how many and why is said above, and in their rows" >&2; }

CATALOG    = $(BIN)/hfv catalog --generator "$(GENERATOR)" --clips "$(CLIPS)" $(call flag,PROMPTS,--prompts) \
  $(if $(REAL),--real) $(if $(RETRY),--retry-failed) $(COMMON) $(WHERE)

catalog: $(READY)  ## list the clips of GENERATOR, found in CLIPS
	$(call need,GENERATOR,kling)
	@$(CATALOG) $(GOES_ON)

score: $(READY)  ## catalogue, then score the clips of GENERATOR with PROFILE
	$(call need,GENERATOR,kling)
	@$(CATALOG) $(GOES_ON)
	@$(BIN)/hfv score --generator "$(GENERATOR)" --profile "$(PROFILE)" $(call flag,METRICS,--metrics) \
	  $(call flag,DEVICE,--device) $(call flag,DEADLINE,--deadline) $(if $(RETRY),--retry-failed) $(COMMON) $(WHERE) \
	  $(GOES_ON)

label: $(READY)  ## rank the scores of PROFILE (else the only one) and name the labels
	@$(BIN)/hfv label $(GENERATORS) $(call named,PROFILE,--profile) \
	  $(if $(filter command,$(origin ALLOW_MIXED)),--allow-mixed) \
	  $(if $(filter command,$(origin BY_FORMAT)),--by-format) $(COMMON)

split: $(READY)  ## divide the labelled clips into train and val
	@$(BIN)/hfv split $(GENERATORS) $(call flag,LABELS,--labels) $(call named,OVERLAP,--overlap) $(COMMON)

status: $(READY)  ## what is done, failed and left
	@$(BIN)/hfv status $(COMMON)

weights: $(READY)  ## download the models that PROFILE needs
	@$(BIN)/hfv weights pull --profile "$(PROFILE)" $(call flag,DIR,--dir)

review: $(READY)  ## let reviewers confirm or correct the labels in a browser
	@$(BIN)/hfv review $(call named,HOST,--host) $(call named,PORT,--port) $(call named,USERS,--users) \
	  $(call flag,SETTINGS,--settings) $(call flag,OVERLAP,--overlap) $(COMMON)

bench: $(READY)  ## measure the speed against a plain loop
	@$(BIN)/python -m benchmarks

lint: $(READY)  ## ruff and mypy --strict
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

test: $(READY)  ## run the tests
	@$(BROWSER)
	@$(BIN)/pytest -n 2 --dist loadfile $(PYTEST)

clean:  ## remove .venv and caches (never clips, weights or manifests)
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis
