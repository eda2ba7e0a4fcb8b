"""What reviewers can do, without the web: deal clips, keep decisions, take them back, look things up."""

import asyncio
import time
from functools import lru_cache
from pathlib import Path
from typing import Any

from hfv_builder.labelling.decisions import ADJUDICATOR, REASONS, REVIEWER, Decision
from hfv_builder.labelling.reviews import in_order, read_reviews, when
from hfv_builder.records import Label
from hfv_builder.storage.manifest import Manifests
from review_ui.board import Board
from review_ui.clips import Clips, Filter
from review_ui.decision import answer_name, choices, opinion, verdict_of
from review_ui.hands import LAPSED_S
from review_ui.media import AHEAD, Media
from review_ui.messages import Adjudication, NewDecision, NewUndo
from review_ui.settings import QUEUES, Settings
from review_ui.store import DecisionLog
from review_ui.traces import Traces

RENEW_S = 60.0
CASES = 50
"""Disputed clips in one answer."""


class Refused(Exception):
    """A request that cannot be granted: an HTTP status and one sentence."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence


class Desk:
    """One review: its clips, its queues and its decisions. All methods run in the event loop."""

    def __init__(self, manifests: Manifests, db: Path, settings: Settings) -> None:
        """Open everything; decisions of the `reviews` manifest that the database does not know are taken in.

        Raises:
            UsageError: a manifest or the database cannot be read.
        """
        self.manifests = manifests
        self.settings = settings
        self.clips = Clips(manifests)
        self.traces = Traces(manifests)
        self.store = DecisionLog(db)
        self.media = Media(self.clips, db.parent / "proxies", self.traces.evidence)
        self.board = Board(self.clips, settings)
        self._about = lru_cache(maxsize=2048)(self._describe)
        self._suggestion = lru_cache(maxsize=2048)(self.clips.suggestion)
        self._last = 0
        for decision in self._take_in():
            self._last = max(self._last, decision.created_at)
            self.board.apply(decision)
        leases = self.store.leases()
        for clip_id, reviewer, queue, expires in leases:
            if clip_id in self.clips.row:
                self.board.hands.restore(reviewer, self.clips.row[clip_id], queue, expires)
        over = time.time() - LAPSED_S
        self.store.drop_leases([(clip_id, reviewer) for clip_id, reviewer, _, expires in leases if expires < over])
        self.store.put_overlap(settings.overlap)

    def close(self) -> None:
        """Finish writing."""
        try:
            self.media.close()
        finally:
            self.store.close()

    @property
    def version(self) -> int:
        """Changes with every decision and every undo."""
        return len(self.board.ledger.known)

    # ------------------------------------------------------------------- clips

    def row(self, clip_id: str) -> int:
        """The clip's row.

        Raises:
            Refused: there is no such clip.
        """
        row = self.clips.row.get(clip_id)
        if row is None:
            raise Refused(404, f"there is no clip {clip_id} in these manifests")
        return row

    def deal(self, name: str, queue: str, wanted: Filter, count: int) -> dict[str, Any]:
        """The reviewer's hand, filled."""
        ended = self.board.hands.ended()
        if ended:
            self.store.drop_leases([(self.clips.ids[row], reviewer) for row, reviewer in ended])
        rows = self.board.deal(name, queue, wanted, count)
        hand = self.board.reviewer(name).hand
        # A restart may forget the last minute of a lease, so not every renewal is worth a write.
        stale = [row for row in rows if hand[row].expires - hand[row].stored > RENEW_S]
        for row in stale:
            hand[row].stored = hand[row].expires
        if stale:
            self.store.put_leases([(self.clips.ids[row], name, queue, hand[row].expires) for row in stale])
        self.media.prepare(rows[1:] + self.board.ahead(queue, wanted, AHEAD))
        return {"items": [self.item(name, row) for row in rows], "left": self.board.left(name, queue, wanted)}

    def release(self, name: str, *, lapse: bool = False) -> None:
        """Put the reviewer's hand back; with `lapse`, answers on their way are still accepted."""
        rows = list(self.board.reviewer(name).hand)
        for row in rows:
            self.board.hands.release(name, row, lapse=lapse)
        self.store.drop_leases([(self.clips.ids[row], name) for row in rows])

    def item(self, name: str, row: int, *, adjudicator: bool = False) -> dict[str, Any]:
        """One clip as the page needs it, with its suggestion if that may be seen now."""
        about = self._about(row)
        lease = self.board.reviewer(name).hand.get(row)
        first = self.board.ledger.pending(self.clips.ids[row], name)
        visible = self._shows(name, row, adjudicator=adjudicator)
        return about | {
            "shown": visible and (first is None or lease is None or not self.board.asks_blind(name, row, lease)),
            "suggestion": self._suggestion(row) if visible else None,
            "first": None if first is None else self._first(first, row),
            "lease_s": 0.0 if lease is None else max(0.0, lease.expires - time.time()),
        }

    def _first(self, first: Decision, row: int) -> dict[str, Any]:
        """A blind first answer that is still to be kept or changed."""
        answer = answer_name(first, self.clips.kinds[row])
        return {"decision_id": first.decision_id, "answer": answer, "reason": first.reason}

    def demand_sight(self, name: str, row: int, *, adjudicator: bool) -> None:
        """Let only those on who may see what led to the clip's label.

        Raises:
            Refused: this person is to answer first.
        """
        if not self._shows(name, row, adjudicator=adjudicator):
            raise Refused(403, "scores, traces and pictures of this clip are shown after your first answer to it")

    def _shows(self, name: str, row: int, *, adjudicator: bool) -> bool:
        """Whether this person may see what led to the clip's label; the board remembers that they have."""
        visible = self.board.may_see(name, row, adjudicator=adjudicator)
        answered = name in self.board.voters(row) or self.board.ledger.pending(self.clips.ids[row], name) is not None
        if visible and not answered:
            self.board.reviewer(name).seen.add(row)
        return visible

    def _describe(self, row: int) -> dict[str, Any]:
        """What is the same for everybody."""
        facts = self.clips.facts(row)
        for own in ("bytes", "pix_fmt", "rotation", "bit_rate", "status"):
            facts.pop(own)
        kind = self.clips.kinds[row]
        facts |= {"answers": choices(kind), "reasons": list(REASONS[kind])}
        facts |= {"source": self.clips.source(row), "split": self.clips.split_name(row)}
        return facts if self.settings.show_source else facts | {"source": None, "generator": None}

    # --------------------------------------------------------------- decisions

    async def decide(self, name: str, new: NewDecision) -> dict[str, Any]:
        """Keep a reviewer's answer to a clip that they were dealt."""
        row = self.row(new.clip_id)
        first = self.board.ledger.pending(new.clip_id, name)
        lease = self.board.hands.right(name, row)
        if lease is None and first is None and new.decision_id not in self.board.ledger.known:
            raise Refused(409, "this clip was not dealt to you, or you gave it back: take it from a queue again")
        queue = lease.queue if lease is not None else first and first.queue
        decision = self._decision(
            name,
            new,
            queue="repeats" if lease is not None and lease.repeat else queue,
            blind=first is None and lease is not None and self.board.asks_blind(name, row, lease),
            final=new.final,
        )
        kept = await self._keep(decision)
        seen = self.board.may_see(name, row, adjudicator=False)
        return kept | {"suggestion": self._suggestion(row) if seen else None}

    async def adjudicate(self, name: str, new: Adjudication) -> dict[str, Any]:
        """Keep an adjudicator's answer, which settles the clip."""
        row = self.row(new.clip_id)
        kept = await self._keep(self._decision(name, new, role=ADJUDICATOR, queue="adjudication"))
        self.board.reviewer(name).seen.add(row)
        return kept | {"suggestion": self._suggestion(row)}

    async def undo(self, name: str, new: NewUndo) -> dict[str, Any]:
        """Take back one's own decisions on one clip, and put the clip into the hand again."""
        undone = [self.board.ledger.known.get(decision_id) for decision_id in dict.fromkeys(new.undoes)]
        own = [each for each in undone if each is not None and each.reviewer == name and not each.undoes]
        if len(own) < len(undone):
            missing = next(i for i in new.undoes if i not in {each.decision_id for each in own})
            raise Refused(404, f"you have made no decision {missing}")
        if len({(each.clip_id, each.role) for each in own}) > 1:
            raise Refused(422, "an undo takes back decisions on one clip only")
        last = max(own, key=lambda each: each.order)
        undo = Decision(
            decision_id=new.decision_id,
            clip_id=last.clip_id,
            generator=last.generator,
            reviewer=name,
            role=last.role,
            queue=last.queue,
            decision=None,
            final=False,
            created_at=self.now(),
            undoes=tuple(each.decision_id for each in own),
        )
        fresh = any(not self.board.ledger.is_undone(each.decision_id) for each in own)
        await self._keep(undo)
        row = self.clips.row.get(last.clip_id)
        if fresh and row is not None and last.role == REVIEWER:
            queue = last.queue if last.queue in QUEUES else "labels"
            self.board.hands.hold_in_front(name, row, queue)
            self.store.put_leases([(last.clip_id, name, queue, self.board.reviewer(name).hand[row].expires)])
        return {
            "decision_id": new.decision_id,
            "undoes": list(undo.undoes),
            "clip_id": last.clip_id if row is not None else None,
            "duplicate": not fresh,
        }

    def cases(self, name: str, wanted: Filter) -> dict[str, Any]:
        """The first of the clips that wait for an adjudicator, with what reviewers said."""
        rows = self.board.disputed(wanted)
        # They see what others said: what they answer as a reviewer themselves is not blind any more.
        self.board.reviewer(name).seen.update(rows[:CASES])
        cases = []
        for row in rows[:CASES]:
            answers = choices(self.clips.kinds[row], unsure=False)
            item = self.item(name, row, adjudicator=True) | {"answers": answers}
            cases.append({"item": item, "opinions": self.opinions(row)})
        return {"cases": cases, "total": len(rows)}

    def opinions(self, row: int) -> list[dict[str, Any]]:
        """What each reviewer said of a clip in the end."""
        clip_id, kind = self.clips.ids[row], self.clips.kinds[row]
        found = []
        for vote in self.board.ledger.standing(clip_id):
            if vote.role == REVIEWER and vote.reviewer in self.board.voters(row):
                own = self.board.ledger.of(clip_id, vote.reviewer)
                found.append(opinion(own[: own.index(vote) + 1], kind))
        return found

    def decisions(self) -> list[Decision]:
        """All decisions in their order."""
        return in_order(list(self.board.ledger.known.values()))

    def _decision(self, name: str, new: NewDecision | Adjudication, **more: Any) -> Decision:
        row = self.row(new.clip_id)
        try:
            said = verdict_of(new.answer, new.reason, self.clips.kinds[row], int(self.clips.auto_label[row]))
        except ValueError as error:
            raise Refused(422, str(error)) from None
        return Decision(
            decision_id=new.decision_id,
            clip_id=new.clip_id,
            generator=self.clips.generators[int(self.clips.generator[row])],
            reviewer=name,
            note=new.note or None,
            seconds=new.seconds,
            created_at=self.now(),
            **said,
            **more,
        )

    async def _keep(self, decision: Decision) -> dict[str, Any]:
        # A request that is cancelled after its decision was written must not keep it from the board.
        return await asyncio.shield(asyncio.ensure_future(self._keep_now(decision)))

    async def _keep_now(self, decision: Decision) -> dict[str, Any]:
        kept = self.board.ledger.known.get(decision.decision_id)
        if kept is None:
            kept = await asyncio.wrap_future(self.store.add(decision))
        if kept.says() != decision.says():
            raise Refused(
                409, f"{decision.decision_id} is another decision already; every decision needs an id of its own"
            )
        self.board.apply(kept)
        return {
            "decision_id": kept.decision_id,
            "decision": kept.decision,
            "label": None if kept.label is None else str(Label(kept.label)),
            "created_at": when(kept.created_at).isoformat(),
            "duplicate": kept is not decision,
            "blind": kept.blind,
        }

    def now(self) -> int:
        """Microseconds since 1970, later than every time before: the order of decisions is never in doubt."""
        self._last = max(self._last + 1, time.time_ns() // 1000)
        return self._last

    def _take_in(self) -> list[Decision]:
        """All decisions in their order, also those that only the manifest knew till now."""
        kept = self.store.decisions()
        known = {decision.decision_id for decision in kept}
        told, _ = read_reviews(self.manifests)
        new = [decision for decision in told if decision.decision_id not in known]
        if new:
            self.store.add_all(new).result()
        return in_order(kept + new)
