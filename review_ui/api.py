"""The JSON interface under `/api`: everything that the pages do."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.responses import JSONResponse

from hfv_builder.records import Label
from review_ui.clips import Filter
from review_ui.desk import Desk, Refused
from review_ui.evidence import evidence_of, frames_of
from review_ui.exports import as_csv, as_parquet
from review_ui.messages import (
    Adjudication,
    Cases,
    ClipId,
    Entry,
    Evidence,
    Frames,
    Generator,
    Hand,
    Item,
    Kept,
    LabelName,
    Me,
    NewDecision,
    NewUndo,
    Offer,
    Problem,
    Queue,
    SplitName,
    Undone,
    Wanted,
)
from review_ui.sessions import Session, Sessions
from review_ui.settings import ABOUT, QUEUES
from review_ui.stats import Statistics
from review_ui.users import NAME, Role

COOKIE = "hfv_session"
COOKIE_S = 400 * 86400
"""The longest that browsers keep a cookie: the server ends sessions, by when they were last used."""
SENTENCES = {status: {"model": Problem} for status in (400, 401, 403, 404, 409, 413, 421, 422, 503)}
Named = Annotated[ClipId, Path()]


def find_session(sessions: Sessions) -> Callable[..., Awaitable[Session]]:
    """What tells who sends a request, and that the request is theirs."""

    async def who(request: Request) -> Session:
        # Read by hand: as declared parameters these three would cost more than the rest of a request.
        cookie, authorization = request.cookies.get(COOKIE), request.headers.get("authorization")
        if authorization is not None:
            session = sessions.bearer(authorization.removeprefix("Bearer ").strip())
            if session is None:
                raise Refused(401, "no user has that token")
            return session
        session = sessions.find(cookie) if cookie else None
        if session is None:
            raise Refused(401, "not signed in, or no longer: POST your name to /api/session")
        return session

    return who


def wanted_of(generator: str | None, label: str | None, split: str | None) -> Filter:
    """The filter that a request names."""
    return Filter(generator=generator, label=None if label is None else int(Label[label.upper()]), split=split)


def settles(session: Session) -> bool:
    """Whether the person may adjudicate."""
    return session.role is Role.ADJUDICATOR


async def filters(
    generator: Annotated[Generator | None, Query()] = None,
    label: Annotated[LabelName | None, Query()] = None,
    split: Annotated[SplitName | None, Query()] = None,
) -> Filter:
    """The filter in a query string."""
    return wanted_of(generator, label, split)


def make_api(desk: Desk, sessions: Sessions, statistics: Statistics) -> APIRouter:
    """The routes."""
    api = APIRouter(prefix="/api", responses=SENTENCES)  # type: ignore[arg-type]
    who = find_session(sessions)
    Someone = Annotated[Session, Depends(who)]
    Wants = Annotated[Filter, Depends(filters)]

    async def adjudicator(someone: Someone) -> Session:
        if not settles(someone):
            raise Refused(403, f"{someone.name} reviews but does not adjudicate")
        return someone

    Judge = Annotated[Session, Depends(adjudicator)]

    def me_of(session: Session) -> dict[str, Any]:
        return {"name": session.name, "role": session.role.value}

    # The two that are asked for all day come first, and their answers are not checked again on the way out.
    @api.post("/queues/{queue}/hand", response_model=Hand, tags=["queues"])
    async def deal(queue: Queue, wanted: Wanted, someone: Someone) -> Response:
        """Fill my hand with clips of this queue. They are mine until I answer them or for `lease_s` seconds."""
        chosen = wanted_of(wanted.generator, wanted.label, wanted.split)
        return JSONResponse(desk.deal(someone.name, queue, chosen, wanted.count))

    @api.post("/decisions", response_model=Kept, tags=["decisions"])
    async def decide(new: NewDecision, someone: Someone) -> Response:
        """Answer. The reply comes once the decision is on the disk."""
        return JSONResponse(await desk.decide(someone.name, new))

    @api.post("/session", response_model=Me, tags=["session"])
    async def come_in(entry: Entry, request: Request, response: Response) -> dict[str, Any]:
        """Sign in by name, and by token where the server has users."""
        if not NAME.fullmatch(entry.name):
            raise Refused(
                422, "a name has up to 40 letters, digits, spaces and . @ ' - and begins with a letter or digit"
            )
        entered = await sessions.enter(entry.name, entry.token)
        if entered is None:
            raise Refused(401, "unknown name or wrong token")
        cookie, session = entered
        secure = request.url.scheme == "https"
        response.set_cookie(COOKIE, cookie, max_age=COOKIE_S, httponly=True, samesite="strict", secure=secure)
        return me_of(session)

    @api.get("/me", response_model=Me, tags=["session"])
    async def me(someone: Someone) -> dict[str, Any]:
        """Who I am."""
        return me_of(someone)

    @api.delete("/session", status_code=204, tags=["session"])
    async def leave(someone: Someone) -> Response:
        """Leave; clips in hand go back to the queue."""
        desk.release(someone.name, lapse=True)
        await sessions.leave(someone)
        response = Response(status_code=204)
        response.delete_cookie(COOKIE, httponly=True, samesite="strict")
        return response

    @api.get("/queues", response_model=Offer, tags=["queues"])
    async def queues(someone: Someone, wanted: Wants) -> dict[str, Any]:
        """What there is to do, for these clips."""
        states = [
            {
                "name": name,
                "title": title,
                "about": ABOUT[name],
                "blind": desk.settings.blind(name),
                "total": desk.board.total(someone.name, name, wanted),
                "left": desk.board.left(someone.name, name, wanted),
            }
            for name, title in QUEUES.items()
        ]
        return {"queues": states, "generators": desk.clips.generators, "disputed": len(desk.board.disputed(wanted))}

    @api.delete("/hand", status_code=204, tags=["queues"])
    async def release(someone: Someone) -> Response:
        """Put my hand back."""
        desk.release(someone.name)
        return Response(status_code=204)

    @api.get("/clips/{clip_id}", response_model=Item, tags=["clips"])
    async def clip(clip_id: Named, someone: Someone) -> dict[str, Any]:
        """One clip, with its suggestion if you may see it now."""
        return desk.item(someone.name, desk.row(clip_id), adjudicator=settles(someone))

    @api.get("/clips/{clip_id}/frames", response_model=Frames, tags=["clips"])
    async def frames(clip_id: Named, someone: Someone) -> dict[str, Any]:
        """When its frames are shown."""
        return await asyncio.to_thread(frames_of, desk.media, desk.row(clip_id))

    @api.get("/clips/{clip_id}/evidence", response_model=Evidence, tags=["clips"])
    async def evidence(clip_id: Named, someone: Someone) -> dict[str, Any]:
        """Its frames and traces over time; after your first answer where that is to be blind."""
        row = desk.row(clip_id)
        desk.demand_sight(someone.name, row, adjudicator=settles(someone))
        return await asyncio.to_thread(evidence_of, desk.clips, desk.media, desk.traces, row)

    @api.post("/undo", response_model=Undone, tags=["decisions"])
    async def undo(new: NewUndo, someone: Someone) -> dict[str, Any]:
        """Take back decisions of mine; the clip comes into my hand again."""
        return await desk.undo(someone.name, new)

    @api.get("/cases", response_model=Cases, tags=["adjudication"])
    async def cases(someone: Judge, wanted: Wants) -> dict[str, Any]:
        """Clips on which reviewers differ or are unsure."""
        return desk.cases(someone.name, wanted)

    @api.post("/adjudications", response_model=Kept, tags=["adjudication"])
    async def adjudicate(new: Adjudication, someone: Judge) -> dict[str, Any]:
        """Say the last word on a clip."""
        return await desk.adjudicate(someone.name, new)

    @api.get("/statistics", tags=["results"])
    async def stats(someone: Someone) -> dict[str, Any]:
        """Progress, pace and agreement; at most a few seconds old."""
        return await statistics.current()

    @api.get("/reviews.csv", tags=["results"], response_class=Response)
    async def reviews_csv(someone: Judge) -> Response:
        """All decisions as CSV, in the columns of the `reviews` manifest; for adjudicators."""
        data = await asyncio.to_thread(as_csv, desk.decisions())
        return _download(data, "text/csv; charset=utf-8", "reviews.csv")

    @api.get("/reviews.parquet", tags=["results"], response_class=Response)
    async def reviews_parquet(someone: Judge) -> Response:
        """All decisions as Parquet; for adjudicators."""
        data = await asyncio.to_thread(as_parquet, desk.decisions(), desk.settings.overlap)
        return _download(data, "application/vnd.apache.parquet", "reviews.parquet")

    return api


def _download(data: bytes, media_type: str, name: str) -> Response:
    return Response(data, media_type=media_type, headers={"content-disposition": f'attachment; filename="{name}"'})
