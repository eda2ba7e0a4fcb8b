"""All decisions in memory, by clip."""

from collections.abc import Iterable

from hfv_builder.labelling.decisions import REVIEWER, Decision
from hfv_builder.labelling.final_labels import standing


class Ledger:
    """An append-only collection of decisions; `hfv_builder.labelling.final_labels` decides which of them stand."""

    def __init__(self) -> None:
        """Make an empty ledger."""
        self.known: dict[str, Decision] = {}
        """All decisions by id, undos included."""
        self._undone: set[str] = set()
        self._by_clip: dict[str, list[Decision]] = {}

    def add(self, decision: Decision) -> set[str]:
        """Add a decision and return the ids of the clips whose state may change."""
        if decision.decision_id in self.known:
            return set()
        self.known[decision.decision_id] = decision
        if not decision.undoes:
            self._by_clip.setdefault(decision.clip_id, []).append(decision)
            return {decision.clip_id}
        self._undone.update(decision.undoes)
        return {self.known[undone].clip_id for undone in decision.undoes if undone in self.known}

    def is_undone(self, decision_id: str) -> bool:
        """Return whether the decision has been undone."""
        return decision_id in self._undone

    def on(self, clip_id: str) -> list[Decision]:
        """Return all answers to the clip, undone ones included, oldest first."""
        return sorted(self._by_clip.get(clip_id, ()), key=lambda decision: decision.order)

    def standing(self, clip_id: str) -> list[Decision]:
        """Return the last final answers to the clip, sorted; see `final_labels.standing`."""
        return standing(self._by_clip.get(clip_id, ()), self._undone)

    def of(self, clip_id: str, name: str) -> list[Decision]:
        """Return one reviewer's answers to the clip that are not undone, oldest first, without adjudications."""
        return sorted(self._live(clip_id, name), key=lambda decision: decision.order)

    def pending(self, clip_id: str, name: str) -> Decision | None:
        """Return the reviewer's blind first answer that they must still keep or change; None if there is none."""
        last = max(self._live(clip_id, name), key=lambda decision: decision.order, default=None)
        return None if last is None or last.final else last

    def _live(self, clip_id: str, name: str) -> Iterable[Decision]:
        for decision in self._by_clip.get(clip_id, ()):
            is_vote = decision.reviewer == name and decision.role == REVIEWER
            if is_vote and decision.decision_id not in self._undone:
                yield decision
