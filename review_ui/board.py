"""Who gets which clip: queues, leases and votes, in memory, touched by the event loop alone and never by two at once.

The database remembers leases and decisions over a restart; the board is made from it again.
"""

import hashlib
import time
from collections.abc import Callable

import numpy as np

from hfv_builder.labelling.decisions import REVIEWER, Decision, Kind
from hfv_builder.labelling.final_labels import DONE, settle
from review_ui.clips import NONE, Clips, Filter, Ints
from review_ui.hands import Hands, Lease, Reviewer
from review_ui.ledger import Ledger
from review_ui.settings import QUEUES, Settings
from review_ui.views import Views

SHARED = ("labels", "failed")
"""Queues in which a clip goes to as many reviewers as the overlap asks for; others give it to everybody."""
CHUNK = 256
"""Clips of a queue that are looked at together."""
LEFT_S = 1.0
"""For how long a count of open clips is good enough."""
REPEAT_GAP = 30
"""A repeat was answered at least so many clips ago."""


class Board:
    """The queues over some clips."""

    def __init__(self, clips: Clips, settings: Settings, *, clock: Callable[[], float] = time.time) -> None:
        """An empty board: nobody has anything, nothing is answered."""
        self.clips = clips
        self.settings = settings
        self._clock = clock
        self.ledger = Ledger()
        self.hands = Hands(settings.lease_s, clock, self._count)
        self._voters: dict[int, frozenset[str]] = {}
        self._adjudicated: set[int] = set()
        self._disputed: set[int] = set()
        self._busy = np.zeros(len(clips), np.int16)
        """Votes and leases on each clip."""
        self._done = np.zeros(len(clips), bool)
        """Clips that need no more votes."""
        self._voted = np.zeros(len(clips), np.int16)
        """Votes on each clip, with those that are unsure."""
        self._views = Views(clips, settings.calibration)

    # ------------------------------------------------------------------ dealing

    def deal(self, name: str, queue: str, wanted: Filter, count: int) -> list[int]:
        """Fill the reviewer's hand from this queue up to `count` clips, and renew its leases.

        A hand survives reloading the page and opening a second tab; clips of other queues go back.
        """
        self.hands.expire()
        reviewer = self.reviewer(name)
        fits = self._views.fits(wanted)
        for row, lease in list(reviewer.hand.items()):
            if lease.queue != queue or not fits[row]:
                self.hands.release(name, row)
        hand = sorted(reviewer.hand, key=lambda row: reviewer.hand[row].given)[:count]
        if len(hand) < count:
            hand += self._find(name, queue, wanted, count - len(hand))
        for row in hand:
            self.hands.hold(name, row, queue)
        if wanted.label is not None:
            reviewer.seen.update(hand)  # whoever asks for clips of one label knows the label
        return hand

    def ahead(self, queue: str, wanted: Filter, count: int) -> list[int]:
        """The clips that will be dealt next to whoever asks, for preparing their media."""
        if queue not in ("labels", "calibration"):
            return []
        return self._open(queue, wanted, count)

    def left(self, name: str, queue: str, wanted: Filter) -> int:
        """How many clips of the queue this reviewer could still be dealt, those in hand included; a second old at most.

        Counting takes longer than dealing, and nobody reads it that often: everybody shares one count.
        """
        reviewer = self.reviewer(name)
        if queue == "repeats":
            return len(self._old(reviewer, wanted))
        if queue == "disagreements":
            return sum(row not in reviewer.answered for row in self.disputed(wanted))
        view, now = self._views.view(queue, wanted), self._clock()
        done = self._done if queue in SHARED else np.zeros_like(self._done)
        if now - view.counted > LEFT_S:
            view.open, view.counted = int(np.count_nonzero(view.has & ~done)), now
        mine = np.fromiter(reviewer.answered, np.int64, len(reviewer.answered))
        return max(0, view.open - int(np.count_nonzero(view.has[mine] & ~done[mine])))

    def total(self, name: str, queue: str, wanted: Filter) -> int:
        """How many clips the queue has; of repeats, how many this reviewer has left."""
        return self.left(name, queue, wanted) if queue == "repeats" else len(self.view(queue, wanted))

    def view(self, queue: str, wanted: Filter) -> Ints:
        """The rows of a queue in the order in which they are dealt; every clip could come back as a repeat."""
        if queue in ("disagreements", "repeats"):
            rows = np.array(sorted(self._disputed), np.int64) if queue == "disagreements" else self.clips.order
            return rows[self._views.fits(wanted)[rows]]
        return self._views.view(queue, wanted).rows

    def _find(self, name: str, queue: str, wanted: Filter, count: int) -> list[int]:
        reviewer = self.reviewer(name)
        if queue == "repeats":
            return [row for row in self._old(reviewer, wanted) if row not in reviewer.hand][:count]
        if queue == "disagreements":
            free = [row for row in self.disputed(wanted) if not self.hands.holders(row)]
            return [row for row in free if row not in reviewer.answered][:count]
        found = self._repeat(reviewer, wanted) if queue == "labels" else []
        return found + self._open(queue, wanted, count - len(found), reviewer)

    def _open(self, queue: str, wanted: Filter, count: int, reviewer: Reviewer | None = None) -> list[int]:
        """The first rows of a queue that are free, and that this reviewer has not seen."""
        view, shared = self._views.view(queue, wanted), queue in SHARED
        found: list[int] = []
        for start in range(view.closed, len(view.rows), CHUNK):
            rows = view.rows[start : start + CHUNK]
            if shared and start == view.closed and self._done[rows].all():
                view.closed = start + CHUNK  # nobody will be dealt these again, unless somebody undoes
                continue
            free = rows[~self._done[rows] & (self._busy[rows] < self.settings.overlap)] if shared else rows
            for row in free.tolist():
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

    # ---------------------------------------------------------------- decisions

    def apply(self, decision: Decision) -> None:
        """Take a decision or an undo into account; one on a clip that is not in the manifests waits in the ledger."""
        for clip_id in self.ledger.add(decision):
            row = self.clips.row.get(clip_id)
            if row is None:
                continue
            if decision.undoes:
                self._views.reopen()
            if decision.role == REVIEWER:
                self._note(decision, row)
            self._settle(row)

    def _note(self, decision: Decision, row: int) -> None:
        """What a reviewer's own decision changes for them."""
        reviewer = self.reviewer(decision.reviewer)
        if decision.undoes:
            reviewer.seen.add(row)
        elif decision.final:
            lease = reviewer.hand.get(row)
            if decision.queue == "repeats" or (lease is not None and lease.repeat):
                reviewer.repeated.add(row)
            reviewer.seen.discard(row)
            self.hands.release(decision.reviewer, row, lapse=False)

    def _settle(self, row: int) -> None:
        """Make what is known of a clip anew from the decisions on it."""
        clip_id = self.clips.ids[row]
        given = self.ledger.standing(clip_id)
        verdict = settle(given, self.clips.kinds[row], overlap=self.settings.overlap)
        voters = frozenset(verdict.voters)
        for name in self._voters.get(row, frozenset()) - voters:
            self.reviewer(name).answered.pop(row, None)
        for decision in given:
            if decision.role == REVIEWER and decision.reviewer in voters:
                reviewer = self.reviewer(decision.reviewer)
                reviewer.since_repeat += row not in reviewer.answered
                reviewer.answered[row] = decision
        self._voters[row] = voters
        for rows, belongs in ((self._disputed, verdict.disputed), (self._adjudicated, verdict.adjudicated)):
            (rows.add if belongs else rows.discard)(row)
        self._done[row] = verdict.outcome in DONE
        self._voted[row] = len(voters)
        self._count(row)

    def reviewer(self, name: str) -> Reviewer:
        """What is known of a reviewer; a new one knows nothing yet."""
        return self.hands.reviewer(name)

    def voters(self, row: int) -> frozenset[str]:
        """The reviewers whose answer to the clip counts."""
        return self._voters.get(row, frozenset())

    def disputed(self, wanted: Filter) -> list[int]:
        """Clips on which reviewers differ or are unsure, and nobody has adjudicated."""
        return [int(row) for row in self.view("disagreements", wanted)]

    def votes(self) -> Ints:
        """How many reviewers have answered each clip."""
        return self._voted.astype(np.int64)

    def _count(self, row: int) -> None:
        self._busy[row] = len(self.voters(row) | self.hands.holders(row))

    # ---------------------------------------------------------------- blindness

    def asks_blind(self, name: str, row: int, lease: Lease) -> bool:
        """Whether the reviewer is to answer the clip, held by this lease, before they see the suggestion."""
        if self.clips.kinds[row] is not Kind.GENERATED or self.clips.auto_label[row] == NONE:
            return False  # there is nothing to be blind about: footage is never ranked
        queue = lease.queue if lease.queue in QUEUES else "labels"
        by_chance = shown_from_start(self.clips.ids[row], name, self.settings.shown)
        return self.settings.blind(queue) and row not in self.reviewer(name).seen and not by_chance

    def may_see(self, name: str, row: int, *, adjudicator: bool) -> bool:
        """Whether the suggestion of a clip, its scores and what led to them may be sent to somebody now.

        A reviewer sees them after the first answer, or at once where no blind one is asked for. An adjudicator who does
        not hold the clip sees them where there is something to settle or was.
        """
        lease = self.reviewer(name).hand.get(row)
        if self.ledger.pending(self.clips.ids[row], name) is not None:
            return True
        if lease is not None:
            return not self.asks_blind(name, row, lease)
        if self.clips.kinds[row] is Kind.FAILED or name in self.voters(row):
            return True
        return adjudicator and (row in self._disputed or row in self._adjudicated)


def shown_from_start(clip_id: str, reviewer: str, share: float) -> bool:
    """Whether this reviewer sees the suggestion for this clip at once: by chance, but always the same chance."""
    digest = hashlib.sha256(f"shown\n{clip_id}\n{reviewer}".encode()).digest()
    return int.from_bytes(digest[:8], "big") < share * 2**64
