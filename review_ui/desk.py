"""The operations of a review, independent of HTTP: deal clips, store and undo decisions, look up clips."""

import asyncio
import time
from collections.abc import Collection, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from hfv_builder.labelling.decisions import ADJUDICATOR, REVIEWER, Decision, Kind
from hfv_builder.labelling.reviews import in_order, read_reviews, undo_of, when
from hfv_builder.records import Label
from hfv_builder.storage.manifest import Manifests
from review_ui.board import Board
from review_ui.cache import Cache
from review_ui.clips import Clips
from review_ui.decision import choices, details_of, first_answer, given_answer, verdict_of
from review_ui.filter import Filter
from review_ui.hands import LAPSED_S
from review_ui.media import AHEAD, Media
from review_ui.messages import Adjudication, NewDecision, NewUndo
from review_ui.panels import Panels
from review_ui.refused import Refused
from review_ui.settings import AGAIN, MARKS, QUEUES, Settings
from review_ui.sight import Sight
from review_ui.store import DecisionLog
from review_ui.traces import Traces
from review_ui.turns import Turns

RENEW_S = 60.0


class Desk:
    """One review: its clips, queues and decisions. All methods must be called in the event loop."""

    def __init__(
        self,
        manifests: Manifests,
        db: Path,
        settings: Settings,
        only: Collection[str] | None = None,
        answers: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        """Open manifests and database; import decisions of the `reviews` manifest that the database lacks.

        For `only` and `answers` see `create_app`.

        Raises:
            UsageError: a manifest or the database cannot be read.
        """
        self.manifests = manifests
        self.settings = settings
        self.clips = Clips(manifests, only)
        self.traces = Traces(manifests)
        self.store = DecisionLog(db)
        self.turns = Turns()
        self.board = Board(self.clips, settings)
        self._about = lru_cache(maxsize=2048)(self._describe)
        self._answers = answers or {}
        self._suggestion = lru_cache(maxsize=2048)(self._suggest)
        self._last = 0
        for decision in self._import_decisions():
            self._last = max(self._last, decision.created_at)
            self.board.apply(decision)
        self.sight = Sight(self.board, self.store)
        leases = self.store.leases()
        for clip_id, reviewer, queue, expires in leases:
            if clip_id in self.clips.row:
                self.board.hands.restore(reviewer, self.clips.row[clip_id], queue, expires)
        cache = Cache(db.parent / "proxies", int(settings.cache_gb * 1e9), held=self._is_held)
        self.media = Media(self.clips, cache)
        self.panels = Panels(self.clips, self.traces.evidence)
        over = time.time() - LAPSED_S
        self.store.drop_leases([(clip_id, reviewer) for clip_id, reviewer, _, expires in leases if expires < over])
        self.store.put_overlap(settings.overlap)

    def close(self) -> None:
        """Stop preparing media, finish writing and close the database."""
        try:
            self.media.close()
            self.turns.close()
        finally:
            self.store.close()

    def _is_held(self, file: str) -> bool:
        """Return whether the clip of this proxy or film strip is in somebody's hand."""
        row = self.clips.row.get(Path(file).stem)
        return row is not None and bool(self.board.hands.holders(row))

    @property
    def version(self) -> int:
        """A number that changes with every decision and every undo."""
        return len(self.board.ledger.known)

    # ------------------------------------------------------------------- clips

    def row(self, clip_id: str) -> int:
        """Return the row of the clip.

        Raises:
            Refused: there is no clip with this id.
        """
        row = self.clips.row.get(clip_id)
        if row is None:
            raise Refused(404, f"there is no clip {clip_id} in these manifests")
        return row

    def deal(self, name: str, queue: str, wanted: Filter, count: int) -> dict[str, Any]:
        """Fill the reviewer's hand and return it with the number of clips left; see `messages.Hand`.

        Raises:
            Refused: this review has no such queue.
        """
        if queue == MARKS and not self.settings.marks:
            raise Refused(409, "this review has no second pass; set marks = true in its settings")
        ended = self.board.hands.ended()
        if ended:
            self.store.drop_leases([(self.clips.ids[row], reviewer) for row, reviewer in ended])
        held, hand = list(self.board.reviewer(name).hand), self.board.reviewer(name).hand
        rows = self.board.deal(name, queue, wanted, count)
        if wanted.label is not None:  # it reveals the label of what it deals, and of what it does not
            self.sight.inform(name, held + self.board.told(name, queue, wanted, rows, count))
        # Renewals are stored at most once in `RENEW_S`: a restart may lose the last minute of a lease.
        stale = [row for row in rows if hand[row].expires - hand[row].stored > RENEW_S]
        for row in stale:
            hand[row].stored = hand[row].expires
        if stale:
            self.store.put_leases([(self.clips.ids[row], name, queue, hand[row].expires) for row in stale])
        self.media.prepare(rows[1:] + self.board.ahead(queue, wanted, AHEAD))
        return {"items": [self.item(name, row) for row in rows], "left": self.board.left(name, queue, wanted)}

    def take(self, name: str, row: int, queue: str) -> None:
        """Put a clip whose suggestion the reviewer knows at the front of their hand."""
        self.board.hands.hold_in_front(name, row, queue)
        self.sight.inform(name, [row])
        self.store.put_leases([(self.clips.ids[row], name, queue, self.board.reviewer(name).hand[row].expires)])

    def release(self, name: str, *, lapse: bool = False) -> None:
        """Return the reviewer's hand to the queue; with `lapse`, late answers are still accepted."""
        rows = list(self.board.reviewer(name).hand)
        for row in rows:
            self.board.hands.release(name, row, lapse=lapse)
        self.store.drop_leases([(self.clips.ids[row], name) for row in rows])

    def item(self, name: str, row: int, *, adjudicator: bool = False) -> dict[str, Any]:
        """Return one clip for the page (`messages.Item`), with its suggestion if the user may see it now."""
        about = self._about(row)
        lease = self.board.reviewer(name).hand.get(row)
        first = self.board.ledger.pending(self.clips.ids[row], name)
        visible = self.sight.shows(name, row, adjudicator=adjudicator)
        again, vote = lease is not None and lease.queue in AGAIN, self.board.reviewer(name).answered.get(row)
        return about | {
            "shown": visible and (first is None or lease is None or not self.board.asks_blind(name, row, lease)),
            "suggestion": self._suggestion(row) if visible else None,
            "first": first and first_answer(first, self.clips.kinds[row]),
            "given": vote and given_answer(vote, self.clips.kinds[row]) if again else None,
            "marking": self.settings.marks and (again or adjudicator) and self.clips.kinds[row] is Kind.GENERATED,
            "lease_s": 0.0 if lease is None else max(0.0, lease.expires - time.time()),
        }

    def _describe(self, row: int) -> dict[str, Any]:
        """Return the fields of a clip that are the same for all users."""
        facts = self.clips.facts(row)
        for internal in ("bytes", "pix_fmt", "rotation", "bit_rate", "status"):
            facts.pop(internal)
        kind = self.clips.kinds[row]
        facts |= {"answers": choices(kind), "reasons": self.settings.reasons.of(kind)}
        facts |= {"source": self.clips.source(row), "split": self.clips.split_name(row)}
        facts |= {"candidate": self.clips.is_candidate(row)}
        return facts if self.settings.show_source else facts | {"source": None, "generator": None}

    def _suggest(self, row: int) -> dict[str, Any] | None:
        """Return the automatic label with the detector's answer, which is shown and hidden with it."""
        suggestion = self.clips.suggestion(row)
        return suggestion and suggestion | {"detector": self._answers.get(self.clips.ids[row])}

    # --------------------------------------------------------------- decisions

    async def decide(self, name: str, new: NewDecision) -> dict[str, Any]:
        """Store a reviewer's answer to a clip that was dealt to them."""
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
        visible = self.board.may_see(name, row, adjudicator=False)
        return kept | {"suggestion": self._suggestion(row) if visible else None}

    async def adjudicate(self, name: str, new: Adjudication) -> dict[str, Any]:
        """Store an adjudicator's answer, which settles the clip."""
        row = self.row(new.clip_id)
        kept = await self._keep(self._decision(name, new, role=ADJUDICATOR, queue="adjudication"))
        self.sight.inform(name, [row])
        return kept | {"suggestion": self._suggestion(row)}

    async def undo(self, name: str, new: NewUndo) -> dict[str, Any]:
        """Undo the user's own decisions on one clip, and put the clip back into their hand."""
        undone = [self.board.ledger.known.get(decision_id) for decision_id in dict.fromkeys(new.undoes)]
        decisions = [row for row in undone if row is not None and row.reviewer == name and not row.undoes]
        if len(decisions) < len(undone):
            missing = next(i for i in new.undoes if i not in {decision.decision_id for decision in decisions})
            raise Refused(404, f"you have made no decision {missing}")
        if len({(decision.clip_id, decision.role) for decision in decisions}) > 1:
            raise Refused(422, "an undo takes back decisions on one clip only")
        last = max(decisions, key=lambda decision: decision.order)
        undo = undo_of(new.decision_id, decisions, self.now())
        fresh = any(not self.board.ledger.is_undone(decision.decision_id) for decision in decisions)
        await self._keep(undo)
        row = self.clips.row.get(last.clip_id)
        if fresh and row is not None and last.role == REVIEWER:
            self.take(name, row, last.queue if last.queue in (*QUEUES, *AGAIN) else "labels")
        return {
            "decision_id": new.decision_id,
            "undoes": list(undo.undoes),
            "clip_id": last.clip_id if row is not None else None,
            "duplicate": not fresh,
        }

    def decisions(self) -> list[Decision]:
        """Return all decisions, sorted by `Decision.order`."""
        return in_order(list(self.board.ledger.known.values()))

    def _decision(self, name: str, new: NewDecision | Adjudication, **fields: Any) -> Decision:
        row = self.row(new.clip_id)
        kind = self.clips.kinds[row]
        try:
            auto, reasons = int(self.clips.auto_label[row]), self.settings.reasons.of(kind)
            verdict = verdict_of(new.answer, new.reason, kind, auto, reasons)
            verdict |= details_of(new, verdict["label"], self._about(row))
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
            **verdict,
            **fields,
        )

    async def _keep(self, decision: Decision) -> dict[str, Any]:
        # Shielded: a request that is cancelled after the write must still update the board.
        return await asyncio.shield(asyncio.ensure_future(self._keep_now(decision)))

    async def _keep_now(self, decision: Decision) -> dict[str, Any]:
        kept = self.board.ledger.known.get(decision.decision_id)
        if kept is None:
            kept = await asyncio.wrap_future(self.store.add(decision))
        if kept.says() != decision.says():
            raise Refused(409, f"{decision.decision_id} is the id of another decision; use a new id for every decision")
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
        """Return microseconds since 1970, always larger than the time before, so that decisions have a strict order."""
        self._last = max(self._last + 1, time.time_ns() // 1000)
        return self._last

    def _import_decisions(self) -> list[Decision]:
        """Store decisions that only the manifest has, and return all decisions sorted by `Decision.order`."""
        stored = self.store.decisions()
        known = {decision.decision_id for decision in stored}
        exported, _ = read_reviews(self.manifests)
        new = [decision for decision in exported if decision.decision_id not in known]
        if new:
            self.store.add_all(new).result()
        return in_order(stored + new)
