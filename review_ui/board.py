"""Assignment of clips to reviewers: queues, leases and votes in memory, used by the event loop only.

The database stores leases and decisions; the board is rebuilt from them after a restart.
"""

import hashlib
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from hfv_builder.labelling.decisions import LABELS, REVIEWER, Decision, Kind, answer_code
from hfv_builder.labelling.final_labels import DONE, settle
from review_ui.clips import NONE, Clips, Ints
from review_ui.filter import Filter
from review_ui.hands import Hands, Lease, Reviewer
from review_ui.ledger import Ledger
from review_ui.settings import AGAIN, MARKS, QUEUES, Settings
from review_ui.views import Views

SHARED = ("labels", "failed")
"""Queues in which a clip goes to `overlap` reviewers; in the others it goes to every reviewer."""
CHUNK = 256
"""Number of rows of a queue that are searched together."""
LEFT_S = 1.0
"""Seconds for which a count of open clips is reused."""
REPEAT_GAP = 30
"""Smallest number of clips between an answer and its repeat."""


class Board:
    """The queues, leases and votes of one review."""

    def __init__(self, clips: Clips, settings: Settings, *, clock: Callable[[], float] = time.time) -> None:
        """Make a board without leases and decisions."""
        self.clips = clips
        self.settings = settings
        self._clock = clock
        self.ledger = Ledger()
        self.hands = Hands(settings.lease_s, clock, self._count)
        self._voters: dict[int, frozenset[str]] = {}
        self._adjudicated: set[int] = set()
        self._disputed: set[int] = set()
        self._busy = np.zeros(len(clips), np.int16)
        """Number of votes and leases per clip."""
        self._done = np.zeros(len(clips), bool)
        """Whether a clip needs no more votes."""
        self._voted = np.zeros(len(clips), np.int16)
        """Number of votes per clip, unsure votes included."""
        self.final = np.full(len(clips), NONE, np.int64)
        """Per clip, the label id or `LEFT_OUT` of its decisions; NONE while they settle nothing."""
        self._views = Views(clips, settings.calibration)

    # ------------------------------------------------------------------ dealing

    def deal(self, name: str, queue: str, wanted: Filter, count: int) -> list[int]:
        """Fill the reviewer's hand from this queue up to `count` clips, renew its leases, and return its rows.

        Clips of this queue that are in the hand already stay, for instance after a reload of the page. Clips of other
        queues go back.
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
        if wanted.label is not None or queue == MARKS:
            reviewer.informed.update(hand)  # a filter by label reveals the label, and an own answer was followed by it
        return hand

    def told(self, name: str, queue: str, wanted: Filter, dealt: list[int], count: int) -> list[int]:
        """Return the rows about whose label a deal with a filter by label says something: dealt and passed over."""
        if queue in ("repeats", MARKS):
            return dealt  # the reviewer has answered, and so knows, all others
        rows, answered = self.view(queue, replace(wanted, label=None)), self.reviewer(name).answered
        if len(dealt) == count:  # nothing after the last one was looked at
            rows = rows[: 1 + np.flatnonzero(np.isin(rows, dealt)).max(initial=-1)]
        open_rows = rows[~self._done[rows]] if queue in SHARED else rows
        return dealt + [row for row in open_rows.tolist() if row not in answered]

    def ahead(self, queue: str, wanted: Filter, count: int) -> list[int]:
        """Return the rows that will be dealt next, so that their media can be prepared."""
        if queue not in ("labels", "calibration"):
            return []
        return self._open(queue, wanted, count)

    def left(self, name: str, queue: str, wanted: Filter) -> int:
        """Return how many clips of the queue are left for this reviewer, including the hand; at most a second old.

        Counting takes longer than dealing, so all reviewers share one count.
        """
        reviewer = self.reviewer(name)
        if queue == "repeats":
            return len(self._old(reviewer, wanted))
        if queue == MARKS:
            return len(self._unmarked(reviewer, wanted))
        if queue == "disagreements":
            return sum(row not in reviewer.answered for row in self.disputed(wanted))
        view, now = self._views.view(queue, wanted), self._clock()
        done = self._done if queue in SHARED else np.zeros_like(self._done)
        if not 0 <= now - view.counted <= LEFT_S:  # also if the clock was set back
            view.open, view.counted = int(np.count_nonzero(view.has & ~done)), now
        answered = np.fromiter(reviewer.answered, np.int64, len(reviewer.answered))
        return max(0, view.open - int(np.count_nonzero(view.has[answered] & ~done[answered])))

    def total(self, name: str, queue: str, wanted: Filter) -> int:
        """Return the number of clips in the queue; of a queue of the reviewer's own answers, the number left."""
        return self.left(name, queue, wanted) if queue in ("repeats", MARKS) else len(self.view(queue, wanted))

    def view(self, queue: str, wanted: Filter) -> Ints:
        """Return the rows of a queue in dealing order; for `repeats` these are all clips."""
        if queue in ("disagreements", "repeats"):
            rows = np.array(sorted(self._disputed), np.int64) if queue == "disagreements" else self.clips.order
            return rows[self._views.fits(wanted)[rows]]
        return self._views.view(queue, wanted).rows

    def _find(self, name: str, queue: str, wanted: Filter, count: int) -> list[int]:
        reviewer = self.reviewer(name)
        if queue == "repeats":
            return [row for row in self._old(reviewer, wanted) if row not in reviewer.hand][:count]
        if queue == MARKS:
            return [row for row in self._unmarked(reviewer, wanted) if row not in reviewer.hand][:count]
        if queue == "disagreements":
            free = [row for row in self.disputed(wanted) if not self.hands.holders(row)]
            return [row for row in free if row not in reviewer.answered][:count]
        repeats = self._repeat(reviewer, wanted) if queue == "labels" else []
        return repeats + self._open(queue, wanted, count - len(repeats), reviewer)

    def _open(self, queue: str, wanted: Filter, count: int, reviewer: Reviewer | None = None) -> list[int]:
        """Return the first free rows of a queue that this reviewer has neither answered nor in hand."""
        view, shared = self._views.view(queue, wanted), queue in SHARED
        chosen: list[int] = []
        for start in range(view.closed, len(view.rows), CHUNK):
            rows = view.rows[start : start + CHUNK]
            if shared and start == view.closed and self._done[rows].all():
                view.closed = start + CHUNK  # not dealt again, unless a decision is undone
                continue
            free = rows[~self._done[rows] & (self._busy[rows] < self.settings.overlap)] if shared else rows
            for row in free.tolist():
                if len(chosen) == count:
                    return chosen
                if reviewer is None or not (row in reviewer.answered or row in reviewer.hand):
                    chosen.append(row)
        return chosen

    def _old(self, reviewer: Reviewer, wanted: Filter) -> list[int]:
        """Return the rows that the reviewer has answered once, oldest first."""
        fits = self._views.fits(wanted)
        return [row for row in reviewer.answered if row not in reviewer.repeated and fits[row]]

    def _unmarked(self, reviewer: Reviewer, wanted: Filter) -> list[int]:
        """Return the rows in which the reviewer found an anomaly and has not yet said when and where, oldest first."""
        fits = self._views.fits(wanted)
        return [
            row
            for row, vote in reviewer.answered.items()
            if self.clips.kinds[row] is Kind.GENERATED
            and answer_code(vote, Kind.GENERATED) in LABELS[Kind.GENERATED]
            and vote.queue != MARKS
            and vote.t_start is None
            and vote.box is None
            and fits[row]
        ]

    def _repeat(self, reviewer: Reviewer, wanted: Filter) -> list[int]:
        """Return a clip that the reviewer answered a while ago, if a repeat is due; else nothing."""
        share = self.settings.repeats
        if not share or reviewer.since_repeat < max(1 / share, REPEAT_GAP):
            return []
        recent = set(list(reviewer.answered)[-REPEAT_GAP:])
        old = [row for row in self._old(reviewer, wanted) if row not in recent and row not in reviewer.hand]
        if not old:
            return []
        reviewer.since_repeat = 0
        # A random choice by hash, so that it is reproducible.
        return [min(old, key=lambda row: hashlib.sha256(f"repeat\n{self.clips.ids[row]}".encode()).digest())]

    # ---------------------------------------------------------------- decisions

    def apply(self, decision: Decision) -> None:
        """Apply a decision or an undo. On a clip that is not in the manifests it only enters the ledger."""
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
        """Update the reviewer's own state after one of their decisions."""
        reviewer = self.reviewer(decision.reviewer)
        if decision.undoes:
            reviewer.informed.add(row)
        elif decision.final:
            lease = reviewer.hand.get(row)
            if decision.queue == "repeats" or (lease is not None and lease.repeat):
                reviewer.repeated.add(row)
            reviewer.informed.discard(row)
            self.hands.release(decision.reviewer, row, lapse=False)

    def _settle(self, row: int) -> None:
        """Recompute the state of a clip from all decisions on it."""
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
        self.final[row] = NONE if verdict.code is None else verdict.code
        self._count(row)

    def reviewer(self, name: str) -> Reviewer:
        """Return the state of a reviewer, which is empty for a new one."""
        return self.hands.reviewer(name)

    def voters(self, row: int) -> frozenset[str]:
        """Return the reviewers whose vote on the clip counts."""
        return self._voters.get(row, frozenset())

    def is_adjudicated(self, row: int) -> bool:
        """Return whether an adjudicator has settled the clip."""
        return row in self._adjudicated

    def is_disputed(self, row: int) -> bool:
        """Return whether reviewers differ or are unsure about the clip and no adjudicator has settled it."""
        return row in self._disputed

    def disputed(self, wanted: Filter) -> list[int]:
        """Return the rows on which reviewers differ or are unsure and that are not adjudicated."""
        return [int(row) for row in self.view("disagreements", wanted)]

    def votes(self) -> Ints:
        """Return the number of votes per clip."""
        return self._voted.astype(np.int64)

    def _count(self, row: int) -> None:
        self._busy[row] = len(self.voters(row) | self.hands.holders(row))

    # ---------------------------------------------------------------- blindness

    def asks_blind(self, name: str, row: int, lease: Lease) -> bool:
        """Return whether the reviewer must answer the clip, held by this lease, before the suggestion is shown."""
        if self.clips.kinds[row] is not Kind.GENERATED or self.clips.auto_label[row] == NONE:
            return False  # there is no suggestion to hide: real clips are never ranked
        if lease.queue in AGAIN:
            return False
        queue = lease.queue if lease.queue in QUEUES else "labels"
        by_chance = shown_from_start(self.clips.ids[row], name, self.settings.shown)
        return self.settings.blind(queue) and row not in self.reviewer(name).informed and not by_chance

    def may_see(self, name: str, row: int, *, adjudicator: bool) -> bool:
        """Return whether the suggestion of a clip, its scores and its evidence may be sent to a user now.

        A reviewer may see them after the first answer, or at once if no blind answer is required or if they have seen
        the suggestion before, so that their answer is not blind. An adjudicator who does not hold the clip may see them
        if the clip is disputed or adjudicated.
        """
        lease = self.reviewer(name).hand.get(row)
        if self.ledger.pending(self.clips.ids[row], name) is not None:
            return True
        if lease is not None:
            return not self.asks_blind(name, row, lease)
        if self.clips.kinds[row] is Kind.FAILED or name in self.voters(row) or row in self.reviewer(name).informed:
            return True
        return adjudicator and (row in self._disputed or row in self._adjudicated)


def shown_from_start(clip_id: str, reviewer: str, share: float) -> bool:
    """Return whether this reviewer sees the suggestion for this clip before answering.

    This is true for the given share of all pairs of clip and reviewer, chosen by a hash, so it is reproducible.
    """
    digest = hashlib.sha256(f"shown\n{clip_id}\n{reviewer}".encode()).digest()
    return int.from_bytes(digest[:8], "big") < share * 2**64
