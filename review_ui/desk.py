"""What reviewers can do, without the web: deal clips, keep decisions, take them back, look things up."""

import asyncio
import time
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from hfv_builder.manifest import Manifests
from hfv_builder.records import ClipError, Label
from hfv_builder.reviews import ADJUDICATOR
from hfv_builder.schema import REVIEWS
from review_ui.board import Board, shown_from_start
from review_ui.clips import Clips, Filter
from review_ui.decision import Decision, Undo, answer, opinion, when
from review_ui.exports import as_table
from review_ui.media import AHEAD, Media
from review_ui.messages import Adjudication, NewDecision, NewUndo
from review_ui.settings import Settings
from review_ui.store import Store
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
        self.store = Store(db)
        self.media = Media(self.clips, db.parent / "proxies", self.traces.evidence)
        self.board = Board(self.clips, settings)
        self._about = lru_cache(maxsize=2048)(self._describe)
        self._last = 0
        self._known: dict[str, Decision] = {}
        self._undone: set[str] = set()
        self._history: dict[tuple[str, str], list[Decision]] = {}
        for decision, undone in self._take_in():
            self._last = max(self._last, decision.created_at)
            self._known[decision.decision_id] = decision
            if undone is None:
                self._remember(decision)
            else:
                self._undone.add(decision.decision_id)
        for clip_id, reviewer, queue, expires in self.store.leases():
            if clip_id in self.clips.row:
                self.board.restore(reviewer, self.clips.row[clip_id], queue, expires)

    def close(self) -> None:
        """Finish writing."""
        self.media.close()
        self.store.close()

    @property
    def version(self) -> tuple[int, int]:
        """Changes with every decision and every undo."""
        return len(self._known), len(self._undone)

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

    def release(self, name: str) -> None:
        """Put the reviewer's hand back."""
        rows = self.board.release(name)
        self.store.drop_leases([(self.clips.ids[row], name) for row in rows])

    def item(self, name: str, row: int) -> dict[str, Any]:
        """One clip as the page needs it."""
        about = self._about(row)
        reviewer = self.board.reviewer(name)
        lease = reviewer.hand.get(row)
        said = reviewer.answered.get(row)
        pending = said if said is not None and not said.final else None
        blind = lease is not None and self.settings.blind(lease.queue) and not lease.seen
        return about | {
            "shown": not blind or shown_from_start(about["clip_id"], name, self.settings.shown),
            "first": pending
            and {"decision_id": pending.decision_id, "answer": answer(pending), "reason": pending.reason},
            "lease_s": 0.0 if lease is None else max(0.0, lease.expires - time.time()),
        }

    def _describe(self, row: int) -> dict[str, Any]:
        """What is the same for everybody."""
        facts = self.clips.facts(row)
        for own in ("bytes", "pix_fmt", "rotation", "bit_rate", "status"):
            facts.pop(own)
        return facts | {"split": self.clips.split_name(row), "suggestion": self.clips.suggestion(row)}

    def evidence(self, row: int) -> dict[str, Any]:
        """Traces on the times of the served video. Reads files: not for the event loop."""
        times: list[float] = []
        unplayable = None
        try:
            times = self.media.times(row)
        except ClipError as error:
            unplayable = str(error)
        generator = self.clips.generators[int(self.clips.generator[row])]
        traces = {}
        for metric, found in self.traces.read(self.clips.ids[row], generator).items():
            values, frames = found["trace"] or [], found["frames"] or []
            placed = [(times[f], v) for f, v in zip(frames, values, strict=False) if f < len(times)]
            seen = [(np.nan if v is None else v) for _, v in placed]
            traces[metric.value] = {
                "score": found["score"],
                "times": [time_s for time_s, _ in placed],
                "values": [None if np.isnan(v) else v for v in seen],
                "worst": None if not np.isfinite(seen).any() else int(np.nanargmax(seen)),
                "error": found["error"],
            }
        panels = [metric.value for metric in self.media.panels(row)]
        return {"frame_times": times, "traces": traces, "panels": panels, "unplayable": unplayable}

    # --------------------------------------------------------------- decisions

    async def decide(self, name: str, new: NewDecision) -> dict[str, Any]:
        """Keep a reviewer's answer."""
        decision = self._decision(name, new, blind=new.blind, final=new.final, queue=new.queue)
        return await self._keep(decision)

    async def adjudicate(self, name: str, new: Adjudication) -> dict[str, Any]:
        """Keep an adjudicator's answer, which is the clip's last word."""
        decision = self._decision(ADJUDICATOR + name, new, blind=False, final=True, queue="adjudication")
        return await self._keep(decision)

    async def undo(self, name: str, new: NewUndo) -> dict[str, Any]:
        """Take back one's own decisions on one clip, and put the clip into the hand again."""
        undone = []
        for decision_id in dict.fromkeys(new.undoes):
            decision = self._known.get(decision_id)
            if decision is None or decision.reviewer not in (name, ADJUDICATOR + name):
                raise Refused(404, f"you have made no decision {decision_id}")
            undone.append(decision)
        if len({(decision.clip_id, decision.reviewer) for decision in undone}) > 1:
            raise Refused(422, "an undo takes back decisions on one clip only")
        undo = Undo(
            decision_id=new.decision_id,
            undoes=tuple(d.decision_id for d in undone),
            reviewer=name,
            created_at=self.now(),
        )
        if new.decision_id in self._known:
            raise Refused(409, f"{new.decision_id} is a decision; an undo needs an id of its own")
        kept = await asyncio.wrap_future(self.store.add_undo(undo))
        if (kept.reviewer, set(kept.undoes)) != (name, set(undo.undoes)) and kept is not undo:
            raise Refused(409, f"{new.decision_id} has undone something else already")
        fresh = [decision for decision in undone if decision.decision_id not in self._undone]
        clip_id, reviewer = undone[0].clip_id, undone[0].reviewer
        row = self.clips.row.get(clip_id)
        if fresh:
            self._undone.update(decision.decision_id for decision in fresh)
            live = [d for d in self._history.get((clip_id, reviewer), []) if d.decision_id not in self._undone]
            self._history[clip_id, reviewer] = live
            self.board.take_back(fresh, live[-1] if live else None)
            if row is not None and reviewer == name:
                self.board.hold(name, row, new.queue)
                expires = self.board.reviewer(name).hand[row].expires
                self.store.put_leases([(clip_id, name, new.queue, expires)])
        return {
            "decision_id": new.decision_id,
            "undoes": list(undo.undoes),
            "clip_id": clip_id if row is not None else None,
            "duplicate": not fresh,
        }

    def cases(self, name: str, wanted: Filter) -> dict[str, Any]:
        """The first of the clips that wait for an adjudicator, with what reviewers said."""
        rows = self.board.disputed(wanted)
        cases = [{"item": self.item(name, row), "opinions": self.opinions(row)} for row in rows[:CASES]]
        return {"cases": cases, "total": len(rows)}

    def opinions(self, row: int) -> list[dict[str, Any]]:
        """What each reviewer said of a clip in the end."""
        clip_id = self.clips.ids[row]
        given = [self._history[clip_id, reviewer] for reviewer in self.board.answers(row)]
        return [opinion(own) for own in sorted(given, key=lambda own: own[-1].created_at)]

    def reviews(self) -> pa.Table:
        """All decisions as the `reviews` manifest holds them. Reads the database: not for the event loop."""
        return as_table(self.store.decisions())

    def _decision(self, reviewer: str, new: NewDecision | Adjudication, **more: Any) -> Decision:
        row = self.row(new.clip_id)
        if (new.answer == "reject") != (new.reason is not None):
            raise Refused(422, "a rejection needs a reason, and only a rejection has one")
        auto = int(self.clips.auto_label[row])
        label = None if new.answer in ("reject", "unsure") else int(Label[new.answer.upper()])
        decision = new.answer if label is None else ("confirm" if label == auto else "relabel")
        return Decision(
            decision_id=new.decision_id,
            clip_id=new.clip_id,
            reviewer=reviewer,
            decision=decision,
            label=label,
            reason=": ".join(part for part in (new.reason, new.note) if part) or None,
            seconds=new.seconds,
            created_at=self.now(),
            **more,
        )

    async def _keep(self, decision: Decision) -> dict[str, Any]:
        kept = await asyncio.wrap_future(self.store.add(decision))
        duplicate = kept is not decision
        if duplicate and kept.says() != decision.says():
            raise Refused(
                409, f"{decision.decision_id} is another decision already; every decision needs an id of its own"
            )
        if not duplicate:
            self._known[decision.decision_id] = decision
            self._remember(decision)
        return {
            "decision_id": kept.decision_id,
            "decision": kept.decision,
            "label": None if kept.label is None else str(Label(kept.label)),
            "created_at": when(kept.created_at).isoformat(),
            "duplicate": duplicate,
        }

    def _remember(self, decision: Decision) -> None:
        self._history.setdefault((decision.clip_id, decision.reviewer), []).append(decision)
        self.board.apply(decision)

    def now(self) -> int:
        """Microseconds since 1970, later than every time before: the order of decisions is never in doubt."""
        self._last = max(self._last + 1, time.time_ns() // 1000)
        return self._last

    def _take_in(self) -> list[tuple[Decision, str | None]]:
        """All decisions, each with what undid it; also those that only the manifest knew till now."""
        kept = self.store.decisions()
        known = {decision.decision_id: undone for decision, undone in kept}
        rows = self.manifests.read(REVIEWS)
        told = zip(rows["decision_id"].to_pylist(), rows["undone_by"].to_pylist(), strict=True)
        new = [n for n, (made, undone) in enumerate(told) if made not in known or (undone and not known[made])]
        if not new:
            return kept
        foreign = []
        for row in rows.take(new).to_pylist():
            undone = row.pop("undone_by")
            created = row["created_at"]
            row["created_at"] = int(created.timestamp()) * 1_000_000 + created.microsecond
            foreign.append((Decision(**row, queue="manifest", final=True), undone))
        self.store.add_all(foreign).result()
        return self.store.decisions()
