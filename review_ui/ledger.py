"""All decisions in memory, by clip, as they come in."""

from collections.abc import Iterable

from hfv_builder.labelling.decisions import REVIEWER, Decision
from hfv_builder.labelling.final_labels import standing


class Ledger:
    """Decisions are only ever added; `hfv_builder.labelling.final_labels` says which of them stand."""

    def __init__(self) -> None:
        """Without decisions."""
        self.known: dict[str, Decision] = {}
        """By id, undos too."""
        self._undone: set[str] = set()
        self._by_clip: dict[str, list[Decision]] = {}

    def add(self, decision: Decision) -> set[str]:
        """Take a decision in; the clips for which that may change something."""
        if decision.decision_id in self.known:
            return set()
        self.known[decision.decision_id] = decision
        if not decision.undoes:
            self._by_clip.setdefault(decision.clip_id, []).append(decision)
            return {decision.clip_id}
        self._undone.update(decision.undoes)
        return {self.known[each].clip_id for each in decision.undoes if each in self.known}

    def is_undone(self, decision_id: str) -> bool:
        """Whether somebody has taken the decision back."""
        return decision_id in self._undone

    def standing(self, clip_id: str) -> list[Decision]:
        """The decisions on the clip that count unless it cannot have them, in their order."""
        return standing(self._by_clip.get(clip_id, ()), self._undone)

    def of(self, clip_id: str, name: str) -> list[Decision]:
        """The answers of one reviewer to the clip that nobody has undone, oldest first, without adjudications."""
        return sorted(self._live(clip_id, name), key=lambda decision: decision.order)

    def pending(self, clip_id: str, name: str) -> Decision | None:
        """The reviewer's blind first answer that is still to be kept or changed, if there is one."""
        last = max(self._live(clip_id, name), key=lambda decision: decision.order, default=None)
        return None if last is None or last.final else last

    def _live(self, clip_id: str, name: str) -> Iterable[Decision]:
        for decision in self._by_clip.get(clip_id, ()):
            own = decision.reviewer == name and decision.role == REVIEWER
            if own and decision.decision_id not in self._undone:
                yield decision
