"""The routes of browsing: the grid of clips, and all about one of them.

Labels, scores and decisions are for those whose answers they cannot influence (`has_sight`). Others find clips by id,
name, generator and split, and learn about a clip what they may see in the queues too.
"""

import math
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query

from hfv_builder.records import METRICS, Metric, Split
from review_ui.api import SENTENCES, Named, check_sources, filters, find_session, knows_sources, settles
from review_ui.browse import Search, select
from review_ui.browse_messages import ClipPage, Listing, Opinion, Sort
from review_ui.clip_page import all_about, listed
from review_ui.desk import Desk
from review_ui.filter import Filter
from review_ui.messages import TEXT
from review_ui.refused import Refused
from review_ui.sessions import Session, Sessions

HIDDEN = "labels and scores are hidden while you have blind clips to answer: filter by generator, split or name"
FRESH = ("labels", "calibration")
"""The queues of clips that a reviewer has not answered yet."""
Number = Annotated[float | None, Query(allow_inf_nan=False)]


def has_sight(desk: Desk, session: Session) -> bool:
    """Return whether the user may see labels, scores and decisions of all clips.

    That is an adjudicator of the users file, a reviewer to whom no blind clip can be dealt any more, and everybody if
    the settings say so. On a server without users everybody counts as a reviewer.
    """
    if desk.settings.browse == "open" or session.appointed:
        return True
    blind = [queue for queue in FRESH if session.has_queue(queue) and desk.settings.blind(queue)]
    return not any(desk.board.left(session.name, queue, session.within(queue, Filter())) for queue in blind)


def make_browse(desk: Desk, sessions: Sessions) -> APIRouter:
    """Return the routes of browsing."""
    browse = APIRouter(prefix="/api/browse", tags=["browse"], responses=SENTENCES)  # type: ignore[arg-type]
    Someone = Annotated[Session, Depends(find_session(sessions))]

    @browse.get("", response_model=Listing)
    async def grid(
        someone: Someone,
        wanted: Annotated[Filter, Depends(filters)],
        text: Annotated[str, Query(max_length=200, pattern=TEXT)] = "",
        failed: bool | None = None,
        margin_from: Number = None,
        margin_to: Number = None,
        metric: Metric | None = None,
        score_from: Number = None,
        score_to: Number = None,
        opinion: Opinion | None = None,
        sort: Sort = "id",
        descending: bool = False,
        skip: Annotated[int, Query(ge=0, le=10**9)] = 0,
        count: Annotated[int, Query(ge=1, le=100)] = 48,
    ) -> dict[str, Any]:
        """Find clips by id, file name and properties. Labels, scores and decisions only if you have no blind work."""
        margin = _span(margin_from, margin_to)
        span = _span(score_from, score_to)
        if span is not None and metric is None:
            raise Refused(422, "a score range needs a metric: spatial, appearance or motion")
        sight, named = has_sight(desk, someone), knows_sources(desk, someone)
        search = Search(
            wanted=someone.within("labels", wanted),
            text=text.strip(),
            by_name=named,
            failed=failed,
            margin=margin,
            score=None if metric is None else (metric, *(span or (-math.inf, math.inf))),
            opinion=opinion,
            sort=sort,
            descending=descending,
        )
        if search.reveals and not sight:
            raise Refused(403, HIDDEN)
        check_sources(desk, someone, asked=search.names)
        rows = select(desk.clips, desk.board, search)
        shown = [int(row) for row in rows[skip : skip + count]]
        if sight:
            desk.sight.inform(someone.name, shown)
        by = Metric(sort) if sort in METRICS else metric
        among = search.wanted.among
        return {
            "clips": [listed(desk, row, sight=sight, named=named, by=by) for row in shown],
            "total": len(rows),
            "sight": sight,
            "generators": [g for g in desk.clips.generators if named and (among is None or g in among)],
            "labels": desk.clips.labels_in_use if sight else [],
            "splits": [split for split in map(str, Split) if split in desk.clips.splits_in_use],
        }

    @browse.get("/{clip_id}", response_model=ClipPage)
    async def one(clip_id: Named, someone: Someone) -> dict[str, Any]:
        """Return all about one clip: facts, scores among those of its generator, and for adjudicators the decisions."""
        row, sight = desk.row(clip_id), has_sight(desk, someone)
        if sight:
            desk.sight.inform(someone.name, [row])
        item = desk.item(someone.name, row, adjudicator=settles(someone))
        named = knows_sources(desk, someone)
        return all_about(desk, row, item, sight=sight, named=named, judge=sight and settles(someone))

    return browse


def _span(low: float | None, high: float | None) -> tuple[float, float] | None:
    """Return the ends of a range, of which one may be missing; None if both are."""
    if low is None and high is None:
        return None
    return -math.inf if low is None else low, math.inf if high is None else high
