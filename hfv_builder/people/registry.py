"""Load a person detector by its name, or say in a sentence what it lacks."""

from importlib import import_module
from typing import Any

from hfv_builder.backends.packages import missing_packages
from hfv_builder.backends.weights import FINE, WeightsDir
from hfv_builder.people.base import PersonDetector
from hfv_builder.people.specs import DETECTORS, PINS
from hfv_builder.records import UsageError


def people_store(store: WeightsDir | None = None) -> WeightsDir:
    """Return the directory of weights with the pins of the person detectors; None takes the default directory."""
    return WeightsDir(pins=PINS) if store is None else store


def lack(name: str, store: WeightsDir | None = None, *, hashed: bool = False) -> str | None:
    """Return the sentence that says what the detector lacks; None if it can be used.

    Args:
        name: of `specs.DETECTORS`.
        store: its weights; None takes the default directory.
        hashed: compare the hash of the weights too.
    """
    spec, store = DETECTORS[name], people_store(store)
    if missing := missing_packages(spec.packages):
        return f"the person detector {name} needs {', '.join(missing)}: install with `pip install -e '.[{spec.extra}]'`"
    bad = [file for file in store.look(name, hashed=hashed) if file.state not in FINE]
    if bad:
        states = ", ".join(f"{file.file} is {file.state}" for file in bad)
        cure = f"run `hfv weights pull --profile {spec.profile}`"
        return f"the person detector {name} lacks its weights in {store.folder(name)} ({states}): {cure}"
    return None


def revision(name: str, store: WeightsDir | None = None) -> str:
    """Return the identity of the detector's scores: its name, the identity of its weights and its recipe."""
    return f"{name} {people_store(store).revision(name)}/{DETECTORS[name].recipe}"


def threshold(revision: str) -> float:
    """Return the threshold of the detector with this revision; 0.5 if it is not known any more."""
    spec = DETECTORS.get(revision.partition(" ")[0])
    return 0.5 if spec is None else spec.threshold


def load(name: str, store: WeightsDir | None = None) -> PersonDetector:
    """Return the model; it runs on the CPU, so that its scores depend on no device.

    Raises:
        UsageError: a package or weights are missing, or weights are damaged or do not fit.
    """
    store = people_store(store)
    if why := lack(name, store, hashed=True):
        raise UsageError(why)
    module: Any = import_module(f"hfv_builder.people.{DETECTORS[name].module}")
    model: PersonDetector = module.load(store.folder(name))
    return model
