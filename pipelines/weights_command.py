"""`hfv weights pull | check | try`: from the options to an outcome."""

import argparse

from hfv_builder.backends.weights import WeightsDir
from hfv_builder.profiles.profile import load_profile
from hfv_builder.records import UsageError
from pipelines.outcome import Outcome
from pipelines.weights import check, demand, pull, table


def run(options: argparse.Namespace) -> Outcome:
    """Download, check or try the weights of a profile, and return the outcome.

    Raises:
        UsageError: files cannot be downloaded or used, or options do not belong together.
    """
    store = WeightsDir(root=options.dir) if options.dir else WeightsDir()
    profile = load_profile(options.profile)
    if options.action == "try":
        from pipelines.trial import try_weights

        return try_weights(profile, store=store, device=options.device, record=options.record, trusted=options.compare)
    if unused := [name for name in ("device", "record", "compare") if getattr(options, name)]:
        raise UsageError(f"--{unused[0]} goes with `hfv weights try`, not with {options.action}")
    states = (pull if options.action == "pull" else check)(profile, store=store)
    if states and not options.json:
        print(table(states))
    demand(states, store)
    files = [
        {"model": state.model, "revision": state.revision, "file": state.file, "state": state.state} for state in states
    ]
    summary = {"profile": profile.name, "dir": str(store.root), "files": files}
    return Outcome(
        summary=summary, text=f"all files are in {store.root}" if states else f"{profile.name} needs no weights"
    )
