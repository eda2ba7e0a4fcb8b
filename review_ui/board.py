"""Who gets which clip: queues, leases and votes, in memory, touched by the event loop alone and never by two at once.

The database remembers leases and decisions over a restart; the board is made from it again.
"""

import hashlib
import heapq
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np

from hfv_builder.reviews import ABSTAIN, ADJUDICATOR
from review_ui.clips import Clips, Filter, Ints
from review_ui.decision import Decision, code
from review_ui.settings import Settings
from review_ui.views import View, Views

CHUNK = 256
"""Clips of a queue that are looked at together."""
LEFT_S = 1.0
"""For how long a count of open clips is good enough."""
REPEAT_GAP = 30
"""A repeat was answered at least so many clips ago."""


@dataclass(slots=True)
class Lease:
    """A clip in a reviewer's hand."""

    queue: str
    expires: float
    repeat: bool = False
    seen: bool = False
    """The reviewer has seen the suggestion already: they took an answer back."""
    stored: float = 0.0
    """The expiry that the database knows."""
    given: int = 0
    """Counts up: the order in which the reviewer got the clips."""


@dataclass(slots=True)
class Reviewer:
    """What the board knows of one reviewer."""

    hand: dict[int, Lease] = field(default_factory=dict)
    answered: dict[int, Decision] = field(default_factory=dict)
    """The standing decision on each clip, in the order in which clips were answered first."""
    since_repeat: int = 0
    repeated: set[int] = field(default_factory=set)


class Board:
    """The queues over some clips."""

    def __init__(self, clips: Clips, settings: Settings, *, clock: Callable[[], float] = time.time) -> None:
        """An empty board: nobody has anything, nothing is answered."""
        self.clips = clips
        self.settings = settings
        self._clock = clock
        self._reviewers: dict[str, Reviewer] = {}
        self._answers: dict[int, dict[str, int]] = {}
        self._holders: dict[int, set[str]] = {}
        self._final: dict[int, dict[str, Decision]] = {}
        self._disputed: set[int] = set()
        self._busy = np.zeros(len(clips), np.int16)
        """Votes and leases on each clip."""
        self._voted = np.zeros(len(clips), np.int16)
        """Votes on each clip, with those that abstain."""
        self._views = Views(clips, settings.calibration)
        self._expiry: list[tuple[float, int, str]] = []
        self._given = 0

    # ------------------------------------------------------------------ dealing

    def deal(self, name: str, queue: str, wanted: Filter, count: int) -> list[int]:
        """Fill the reviewer's hand from this queue up to `count` clips, and renew its leases.

        A hand survives reloading the page and opening a second tab; clips of other queues go back.
        """
        self._expire()
        reviewer = self.reviewer(name)
        fits = self._views.fits(wanted)
        for row, lease in list(reviewer.hand.items()):
            if lease.queue != queue or not fits[row]:
                self._release(name, row)
        hand = sorted(reviewer.hand, key=lambda row: reviewer.hand[row].given)[:count]
        if len(hand) < count:
            hand += self._find(name, queue, wanted, count - len(hand))
        for row in hand:
            self._hold(name, row, queue, reviewer.hand.get(row))
        return hand

    def hold(self, name: str, row: int, queue: str) -> None:
        """Put one certain clip into the reviewer's hand, in front: the one whose answer was taken back."""
        self._hold(name, row, queue, Lease(queue, 0, seen=True, given=-self._given - 1))

    def ahead(self, queue: str, wanted: Filter, count: int) -> list[int]:
        """The clips that will be dealt next to whoever asks, for preparing their media."""
        if queue not in ("labels", "calibration"):
            return []
        return self._open(self._views.view(queue, wanted), count, self._limit(queue))

    def left(self, name: str, queue: str, wanted: Filter) -> int:
        """How many clips of the queue this reviewer could still be dealt, those in hand included; a second old at most.

        Counting takes longer than dealing, and nobody reads it that often: everybody shares one count.
        """
        reviewer = self.reviewer(name)
        if queue == "repeats":
            return len(self._old(reviewer, wanted))
        if queue == "disagreements":
            return sum(row not in reviewer.answered for row in self.disputed(wanted))
        view, limit, now = self._views.view(queue, wanted), self._limit(queue), self._clock()
        if now - view.counted > LEFT_S:
            view.open, view.counted = int(np.count_nonzero(view.has & (self._voted < limit))), now
        mine = np.fromiter(reviewer.answered, np.int64, len(reviewer.answered))
        return max(0, view.open - int(np.count_nonzero(view.has[mine] & (self._voted[mine] < limit))))

    def total(self, name: str, queue: str, wanted: Filter) -> int:
        """How many clips the queue has; of repeats, how many this reviewer has left."""
        return self.left(name, queue, wanted) if queue == "repeats" else len(self.view(queue, wanted))

    def view(self, queue: str, wanted: Filter) -> Ints:
        """The rows of a queue in the order in which they are dealt; every clip could come back as a repeat."""
        if queue in ("disagreements", "repeats"):
            rows = np.array(sorted(self._disputed), np.int64) if queue == "disagreements" else self.clips.order
            return rows[self._views.fits(wanted)[rows]]
        return self._views.view(queue, wanted).rows

    def _limit(self, queue: str) -> int:
        """How many reviewers a clip of the queue is for."""
        return self.settings.overlap if queue in ("labels", "failed") else np.iinfo(np.int16).max

    def _find(self, name: str, queue: str, wanted: Filter, count: int) -> list[int]:
        reviewer = self.reviewer(name)
        if queue == "repeats":
            return [row for row in self._old(reviewer, wanted) if row not in reviewer.hand][:count]
        if queue == "disagreements":
            free = [row for row in self.disputed(wanted) if not self._holders.get(row)]
            return [row for row in free if row not in reviewer.answered][:count]
        found = self._repeat(reviewer, wanted) if queue == "labels" else []
        return found + self._open(self._views.view(queue, wanted), count - len(found), self._limit(queue), reviewer)

    def _open(self, view: View, count: int, limit: int, reviewer: Reviewer | None = None) -> list[int]:
        """The first rows of a view that are free, and that this reviewer has not seen."""
        found: list[int] = []
        for start in range(view.closed, len(view.rows), CHUNK):
            rows = view.rows[start : start + CHUNK]
            if start == view.closed and (self._voted[rows] >= limit).all():
                view.closed = start + CHUNK  # nobody will be dealt these again, unless somebody undoes
                continue
            for row in rows[self._busy[rows] < limit].tolist():
                if len(found) == count:
                    return found
                if reviewer is None or not (row in reviewer.answered or row in reviewer.hand):
                    found.append(row)
        return found

    def _old(self, reviewer: Reviewer, wanted: Filter) -> list[int]:
        """What the reviewer has answered once, oldest first."""
        fits = self._views.fits(wanted)
        return [row for row in reviewer.answered if row not in reviewer.repeated and fits[row]]

    def _repeat(self, reviewer: Reviewer, wanted: Filter) -> list[int]:
        """Now and then a clip that the reviewer answered a while ago."""
        share = self.settings.repeats
        if not share or reviewer.since_repeat < max(1 / share, REPEAT_GAP):
            return []
        recent = set(list(reviewer.answered)[-REPEAT_GAP:])
        old = [row for row in self._old(reviewer, wanted) if row not in recent and row not in reviewer.hand]
        if not old:
            return []
        reviewer.since_repeat = 0
        # Any of them, but always the same one.
        return [min(old, key=lambda row: hashlib.sha256(f"repeat\n{self.clips.ids[row]}".encode()).digest())]

    # ------------------------------------------------------------------- leases

    def release(self, name: str) -> list[int]:
        """Give back everything in the reviewer's hand; the rows that were in it."""
        rows = list(self.reviewer(name).hand)
        for row in rows:
            self._release(name, row)
        return rows

    def restore(self, name: str, row: int, queue: str, expires: float) -> None:
        """Take over a lease that outlived a restart."""
        if expires > self._clock():
            repeat = row in self.reviewer(name).answered
            self._hold(name, row, queue, Lease(queue, expires, repeat=repeat, given=self._given), expires)

    def _hold(self, name: str, row: int, queue: str, old: Lease | None, expires: float | None = None) -> None:
        self._given += 1
        reviewer = self.reviewer(name)
        lease = old or Lease(queue, 0, repeat=row in reviewer.answered, given=self._given)
        lease.expires = self._clock() + self.settings.lease_s if expires is None else expires
        reviewer.hand[row] = lease
        self._holders.setdefault(row, set()).add(name)
        heapq.heappush(self._expiry, (lease.expires, row, name))
        self._count(row)

    def _release(self, name: str, row: int) -> None:
        self.reviewer(name).hand.pop(row, None)
        holders = self._holders.get(row, set())
        holders.discard(name)
        if not holders:
            self._holders.pop(row, None)
        self._count(row)

    def _expire(self) -> None:
        """Take back what was kept too long. A renewed lease has a later entry in the heap."""
        now = self._clock()
        while self._expiry and self._expiry[0][0] <= now:
            _, row, name = heapq.heappop(self._expiry)
            lease = self.reviewer(name).hand.get(row)
            if lease is not None and lease.expires <= now:
                self._release(name, row)

    # ---------------------------------------------------------------- decisions

    def apply(self, decision: Decision) -> None:
        """Take a decision into account; one on a clip that is not in the manifests is kept elsewhere and waits."""
        row = self.clips.row.get(decision.clip_id)
        if row is None:
            return
        if decision.reviewer.startswith(ADJUDICATOR):
            self._final.setdefault(row, {})[decision.reviewer] = decision
            self._dispute(row)
            return
        reviewer = self.reviewer(decision.reviewer)
        if row not in reviewer.answered:
            reviewer.since_repeat += 1
        lease = reviewer.hand.get(row)
        if decision.final and ((lease is not None and lease.repeat) or decision.queue == "repeats"):
            reviewer.repeated.add(row)
        reviewer.answered[row] = decision
        self._answers.setdefault(row, {})[decision.reviewer] = code(decision)
        if decision.final and row in reviewer.hand:
            self._release(decision.reviewer, row)
        self._count(row)
        self._dispute(row)

    def take_back(self, undone: Iterable[Decision], standing: Decision | None) -> None:
        """Forget decisions on one clip by one reviewer; `standing` is what they had said before, if anything."""
        self._views.reopen()
        for decision in undone:
            row = self.clips.row.get(decision.clip_id)
            if row is None:
                continue
            if decision.reviewer.startswith(ADJUDICATOR):
                self._final.get(row, {}).pop(decision.reviewer, None)
            else:
                self.reviewer(decision.reviewer).answered.pop(row, None)
                self._answers.get(row, {}).pop(decision.reviewer, None)
            self._count(row)
            self._dispute(row)
        if standing is not None:
            self.apply(standing)

    def reviewer(self, name: str) -> Reviewer:
        """What is known of a reviewer; a new one knows nothing yet."""
        if name not in self._reviewers:
            self._reviewers[name] = Reviewer()
        return self._reviewers[name]

    def answers(self, row: int) -> dict[str, int]:
        """The standing answer of each reviewer of a clip."""
        return self._answers.get(row, {})

    def adjudicated(self, row: int) -> Decision | None:
        """The adjudicators' last word on a clip, if there is one."""
        final = [decision for decision in self._final.get(row, {}).values() if code(decision) != ABSTAIN]
        return max(final, key=lambda decision: decision.created_at, default=None)

    def disputed(self, wanted: Filter) -> list[int]:
        """Clips on which reviewers differ or are unsure, and nobody has adjudicated."""
        return [int(row) for row in self.view("disagreements", wanted)]

    def votes(self) -> Ints:
        """How many reviewers have answered each clip."""
        return self._voted.astype(np.int64)

    def _count(self, row: int) -> None:
        self._voted[row] = len(self._answers.get(row, {}))
        self._busy[row] = len(self._answers.get(row, {}).keys() | self._holders.get(row, set()))

    def _dispute(self, row: int) -> None:
        given = set(self._answers.get(row, {}).values())
        # One who is unsure asks for a second look as much as two who differ do.
        if (len(given - {ABSTAIN}) > 1 or given == {ABSTAIN}) and self.adjudicated(row) is None:
            self._disputed.add(row)
        else:
            self._disputed.discard(row)


def shown_from_start(clip_id: str, reviewer: str, share: float) -> bool:
    """Whether this reviewer sees the suggestion for this clip at once: by chance, but always the same chance."""
    digest = hashlib.sha256(f"shown\n{clip_id}\n{reviewer}".encode()).digest()
    return int.from_bytes(digest[:8], "big") < share * 2**64
