"""`hfv weights pull | check | try`: from the options to an outcome."""

import argparse
from shlex import quote

from hfv_builder.backends.weights import FileState, WeightsDir, default_root
from hfv_builder.people.specs import PINS, PROFILES
from hfv_builder.profiles.profile import load_profile
from hfv_builder.records import UsageError
from hfv_builder.storage.part_file import require_writable
from pipelines.outcome import Outcome
from pipelines.weights import check, check_models, demand, pull, pull_models, table


def run(options: argparse.Namespace) -> Outcome:
    """Download, check or try the weights of a profile, and return the outcome.

    Raises:
        UsageError: files cannot be downloaded or used, or options do not belong together.
    """
    unused = [name for name in ("device", "record", "compare") if getattr(options, name)]
    if unused and options.action != "try":
        raise UsageError(f"--{unused[0]} belongs to `hfv weights try`, not to {options.action}")
    if options.profile in PROFILES:
        return _of_detectors(options)
    store = WeightsDir(root=options.dir or default_root(), profile=quote(options.profile))
    profile = load_profile(options.profile)
    if options.action == "try":
        if options.record:
            require_writable(options.record, option="--record")
        from pipelines.trial import try_weights

        return try_weights(profile, store=store, device=options.device, record=options.record, trusted=options.compare)
    states = (pull if options.action == "pull" else check)(profile, store=store)
    return _outcome(options, states, store, profile.name)


def _of_detectors(options: argparse.Namespace) -> Outcome:
    """Download or check the weights of the person detectors that the audit uses."""
    if options.action == "try":
        if options.record or options.compare:
            raise UsageError(f"{options.profile} has no scores to record or compare: choose another profile")
        text = f"{options.profile} has no scores to try"
        return Outcome(summary={"profile": options.profile, "checks": []}, text=text)
    store = WeightsDir(root=options.dir or default_root(), pins=PINS, profile=options.profile, otherwise="")
    states = (pull_models if options.action == "pull" else check_models)(PROFILES[options.profile], store=store)
    return _outcome(options, states, store, options.profile)


def _outcome(options: argparse.Namespace, states: list[FileState], store: WeightsDir, name: str) -> Outcome:
    if states and not options.json:
        print(table(states))
    demand(states, store)
    files = [
        {"model": state.model, "revision": state.revision, "file": state.file, "state": state.state} for state in states
    ]
    summary = {"profile": name, "dir": str(store.root), "files": files}
    return Outcome(summary=summary, text=f"all files are in {store.root}" if states else f"{name} needs no weights")
