"""The person detector of a run: chosen on the driver, loaded once by every worker."""

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hfv_builder.people import registry
from hfv_builder.people.base import People, PersonDetector
from hfv_builder.people.specs import DETECTORS
from hfv_builder.records import UsageError

if TYPE_CHECKING:
    from hfv_builder.people.watch import PersonWatch

_local = threading.local()


@dataclass(frozen=True, kw_only=True)
class PersonRun:
    """A detector with usable packages and weights; small enough to travel with every task."""

    name: str
    revision: str
    replaces: bool = False
    """Whether clips with a score by another detector are scored again."""

    def lacks(self, looked_at_by: str | None) -> bool:
        """Return whether to score a clip whose person score is by this revision of a detector, or missing."""
        if looked_at_by is None:
            return True
        own = looked_at_by.partition(" ")[0] == self.name
        return looked_at_by != self.revision and (own or self.replaces)


def person_run(name: str | None = None) -> PersonRun | None:
    """Return the detector with this name; for None the first one, or None if it cannot be used.

    Raises:
        UsageError: the requested detector lacks packages or weights.
    """
    chosen = next(iter(DETECTORS)) if name is None else name
    if why := registry.lack(chosen):
        if name is None:
            return None
        raise UsageError(why)
    return PersonRun(name=chosen, revision=registry.revision(chosen), replaces=name is not None)


def detector_of(run: PersonRun) -> PersonDetector:
    """Return the detector of this thread, loaded at the first call.

    Raises:
        UsageError: this machine lacks it, or has other weights than the driver.
    """
    if getattr(_local, "run", None) != run:
        _local.run = None
        _local.detector = registry.load(run.name)
        if registry.revision(run.name) != run.revision:
            raise UsageError(f"a worker has other weights of the person detector {run.name}: set it up in the same way")
        _local.run = run
    detector: PersonDetector = _local.detector
    return detector


def people_of(watch: "PersonWatch", run: PersonRun) -> People | None:
    """Return the detector's result for a clip that was decoded for scoring; None if this machine lacks the detector."""
    try:
        return watch.compute(detector_of(run), run.revision)
    except UsageError:  # scores must not fail without the detector: `hfv audit` computes the person score later
        return None
