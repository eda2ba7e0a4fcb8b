"""Leases: the clips that each reviewer has in hand, and those that they had."""

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field

from hfv_builder.labelling.decisions import Decision
from review_ui.settings import AGAIN, HAND

LAPSED_S = 86400.0
"""Seconds after the end of a lease for which an answer is still accepted, since a reviewer may have been offline."""


@dataclass(slots=True)
class Lease:
    """A clip in a reviewer's hand."""

    queue: str
    expires: float
    repeat: bool = False
    stored: float = 0.0
    """The expiry that is stored in the database."""
    given: int = 0
    """Counter that gives the order in which clips came into the hand."""


@dataclass(slots=True)
class Reviewer:
    """The state of one reviewer on the board. Clips are given by row."""

    hand: dict[int, Lease] = field(default_factory=dict)
    lapsed: dict[int, Lease] = field(default_factory=dict)
    """Clips that left the hand without an answer and were not given back; a late answer is still accepted."""
    informed: set[int] = field(default_factory=set)
    """Clips whose suggestion the reviewer has seen before answering; the next answer is not blind."""
    answered: dict[int, Decision] = field(default_factory=dict)
    """The vote on each clip, in the order of the first answers."""
    since_repeat: int = 0
    repeated: set[int] = field(default_factory=set)


class Hands:
    """The hands of all reviewers."""

    def __init__(self, lease_s: float, clock: Callable[[], float], changed: Callable[[int], None]) -> None:
        """Make empty hands.

        Args:
            lease_s: duration of a lease in seconds.
            clock: returns the time in seconds.
            changed: called with a row when its holders change.
        """
        self._lease_s = lease_s
        self._clock = clock
        self._changed = changed
        self._reviewers: dict[str, Reviewer] = {}
        self._holders: dict[int, set[str]] = {}
        self._expiry: list[tuple[float, int, str]] = []
        self._lapse: list[tuple[float, int, str]] = []
        self._ended: list[tuple[int, str]] = []
        self._given = 0

    def reviewer(self, name: str) -> Reviewer:
        """Return the state of a reviewer, which is empty for a new one."""
        if name not in self._reviewers:
            self._reviewers[name] = Reviewer()
        return self._reviewers[name]

    def holders(self, row: int) -> set[str]:
        """Return the names of the reviewers who have the clip in hand."""
        return self._holders.get(row, set())

    def right(self, name: str, row: int) -> Lease | None:
        """Return the lease that lets the reviewer answer the clip, current or expired within `LAPSED_S`; else None."""
        self.expire()
        reviewer = self.reviewer(name)
        lease = reviewer.hand.get(row) or reviewer.lapsed.get(row)
        return lease if lease is not None and lease.expires > self._clock() - LAPSED_S else None

    def hold(self, name: str, row: int, queue: str, *, expires: float | None = None) -> None:
        """Put a clip into the hand, or renew its lease."""
        self._given += 1
        reviewer = self.reviewer(name)
        lease = reviewer.hand.get(row) or Lease(queue, 0, repeat=self._repeats(reviewer, row, queue), given=self._given)
        lease.expires = self._clock() + self._lease_s if expires is None else expires
        reviewer.hand[row] = lease
        reviewer.lapsed.pop(row, None)
        self._holders.setdefault(row, set()).add(name)
        heapq.heappush(self._expiry, (lease.expires, row, name))
        self._changed(row)

    def hold_in_front(self, name: str, row: int, queue: str) -> None:
        """Put a clip at the front of the hand after an undo; a full hand loses its last clip."""
        hand = self.reviewer(name).hand
        while len(hand.keys() - {row}) >= HAND:
            self.release(name, max(hand.keys() - {row}, key=lambda other: hand[other].given))
        self.hold(name, row, queue)
        hand[row].given = -self._given

    def restore(self, name: str, row: int, queue: str, expires: float) -> None:
        """Restore a stored lease after a restart."""
        reviewer = self.reviewer(name)
        if expires > self._clock() and len(reviewer.hand) < HAND:
            self.hold(name, row, queue, expires=expires)
        elif expires > self._clock() - LAPSED_S:
            self._let_lapse(reviewer, name, row, Lease(queue, expires, repeat=self._repeats(reviewer, row, queue)))

    def release(self, name: str, row: int, *, lapse: bool = True) -> None:
        """Remove a clip from the hand; with `lapse`, a late answer is still accepted."""
        reviewer = self.reviewer(name)
        lease = reviewer.hand.pop(row, None)
        if lease is not None and lapse:
            self._let_lapse(reviewer, name, row, lease)
        elif not lapse:
            reviewer.lapsed.pop(row, None)
        self._holders.get(row, set()).discard(name)
        if not self._holders.get(row):
            self._holders.pop(row, None)
        self._changed(row)

    @staticmethod
    def _repeats(reviewer: Reviewer, row: int, queue: str) -> bool:
        """Return whether the clip was dealt to the reviewer again; who chooses to look again is not asked twice."""
        return row in reviewer.answered and queue not in AGAIN

    def _let_lapse(self, reviewer: Reviewer, name: str, row: int, lease: Lease) -> None:
        reviewer.lapsed[row] = lease
        heapq.heappush(self._lapse, (lease.expires + LAPSED_S, row, name))

    def ended(self) -> list[tuple[int, str]]:
        """Return row and reviewer of the leases that have ended for good since the last call; see `expire`."""
        self.expire()
        ended, self._ended = self._ended, []
        return ended

    def expire(self) -> None:
        """Release all clips with expired leases, and drop those that lapsed `LAPSED_S` ago.

        A renewed lease has a second, later entry in the heap.
        """
        now = self._clock()
        while self._expiry and self._expiry[0][0] <= now:
            _, row, name = heapq.heappop(self._expiry)
            lease = self.reviewer(name).hand.get(row)
            if lease is not None and lease.expires <= now:
                self.release(name, row)
        while self._lapse and self._lapse[0][0] <= now:
            _, row, name = heapq.heappop(self._lapse)
            lapsed = self.reviewer(name).lapsed
            if row in lapsed and lapsed[row].expires + LAPSED_S <= now:
                del lapsed[row]
                self._ended.append((row, name))
