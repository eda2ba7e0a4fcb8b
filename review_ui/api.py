"""The JSON API under `/api`, which the pages use for everything."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Annotated, Any
from urllib.parse import unquote

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.responses import JSONResponse

from hfv_builder.labelling.decisions import ADJUDICATOR
from hfv_builder.records import Label
from review_ui.browse_messages import MediaState
from review_ui.case_messages import Cases
from review_ui.cases import open_cases
from review_ui.desk import Desk
from review_ui.evidence import evidence_of, frames_of
from review_ui.evidence_messages import Evidence, Frames
from review_ui.filter import Filter
from review_ui.messages import (
    Adjudication,
    ClipId,
    Entry,
    Generator,
    Hand,
    Item,
    Kept,
    LabelName,
    Me,
    NewDecision,
    NewUndo,
    Offer,
    OwnAnswers,
    Problem,
    Queue,
    Revisit,
    SplitName,
    Undone,
    Wanted,
)
from review_ui.own_answers import own_answers, revisit
from review_ui.refused import Refused
from review_ui.sessions import Session, Sessions
from review_ui.settings import ABOUT
from review_ui.users import Role, valid_name

LOG = logging.getLogger(__name__)
COOKIE = "hfv_session"
"""Name of the cookie, to which `cookie_name` adds the port."""
REVIEWER = "x-reviewer"
"""Header with the percent-encoded name that a page shows: the cookie may be that of another user by now."""
COOKIE_S = 400 * 86400
"""Lifetime of the cookie, the longest that browsers allow. The server expires sessions by their last use."""
SENTENCE = {"content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{Problem.__name__}"}}}}
SENTENCES = dict.fromkeys((400, 401, 403, 404, 409, 413, 421, 422, 503), SENTENCE)
"""The responses of every route. The model itself is given to one route, since FastAPI builds a validator for each."""
Named = Annotated[ClipId, Path()]


def find_session(sessions: Sessions) -> Callable[..., Awaitable[Session]]:
    """Return a dependency that authenticates a request by cookie or bearer token and returns its session."""

    async def who(request: Request) -> Session:
        # Read from the request, because declared parameters would take longer than the rest of the request.
        cookie, authorization = request.cookies.get(cookie_name(request)), request.headers.get("authorization")
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() == "bearer":  # others are for a proxy in front of this server
            session = sessions.bearer(token.strip())
            if session is None:
                LOG.warning("wrong bearer token from %s", address(request))
                raise Refused(401, "no user has that token")
            return session
        session = sessions.find(cookie) if cookie else None
        if session is None:
            raise Refused(401, "not signed in or session expired; POST your name to /api/session")
        shown = request.headers.get(REVIEWER)
        if shown is not None and unquote(shown) != session.name:
            raise Refused(401, f"{session.name} has signed in in another tab of this browser; sign in again")
        return session

    return who


def find_adjudicator(sessions: Sessions) -> Callable[..., Awaitable[Session]]:
    """Return a dependency that returns the session of an adjudicator and rejects other users."""

    async def judge(someone: Annotated[Session, Depends(find_session(sessions))]) -> Session:
        if not settles(someone):
            raise Refused(403, f"{someone.name} is a reviewer; only adjudicators may do this")
        return someone

    return judge


def cookie_name(request: Request) -> str:
    """Return the name of this server's cookie: browsers send the cookies of a host to all of its ports."""
    port = request.headers.get("host", "").rpartition(":")[2]
    return f"{COOKIE}_{port}" if port.isascii() and port.isdigit() else COOKIE


def address(request: Request) -> str:
    """Return the network address of the client for the log; behind a reverse proxy that of the proxy."""
    return request.client.host if request.client else "an unknown address"


def wanted_of(generator: str | None, label: str | None, split: str | None) -> Filter:
    """Return the filter for these request parameters."""
    return Filter(generator=generator, label=None if label is None else int(Label[label.upper()]), split=split)


def knows_sources(desk: Desk, session: Session) -> bool:
    """Return whether the user may know which generator a clip comes from."""
    return desk.settings.show_source or session.appointed


def check_sources(desk: Desk, session: Session, *, asked: bool) -> None:
    """Check that a request whose response depends on the generators of clips (`asked`) is allowed.

    Raises:
        Refused: the settings hide the generators from this user.
    """
    if asked and not knows_sources(desk, session):
        raise Refused(403, "the settings of this review hide where clips come from")


def settles(session: Session) -> bool:
    """Return whether the user may adjudicate."""
    return session.role is Role.ADJUDICATOR


async def filters(
    generator: Annotated[Generator | None, Query()] = None,
    label: Annotated[LabelName | None, Query()] = None,
    split: Annotated[SplitName | None, Query()] = None,
) -> Filter:
    """Return the filter in a query string."""
    return wanted_of(generator, label, split)


def make_api(desk: Desk, sessions: Sessions) -> APIRouter:
    """Return the routes of the API."""
    api = APIRouter(prefix="/api", responses=SENTENCES)  # type: ignore[arg-type]
    who = find_session(sessions)
    Someone = Annotated[Session, Depends(who)]
    Wants = Annotated[Filter, Depends(filters)]

    Judge = Annotated[Session, Depends(find_adjudicator(sessions))]

    def me_of(session: Session) -> dict[str, Any]:
        return {"name": session.name, "role": session.role.value}

    # The most frequent routes come first, and their responses are not validated again.
    @api.post("/queues/{queue}/hand", response_model=Hand, tags=["queues"])
    async def deal(queue: Queue, wanted: Wanted, someone: Someone) -> Response:
        """Fill your hand with clips of this queue. They are reserved for you for `lease_s` seconds."""
        if not someone.has_queue(queue):
            raise Refused(403, f"you are not assigned to the queue {queue}; see the queues on your start page")
        check_sources(desk, someone, asked=wanted.generator is not None)
        chosen = someone.within(queue, wanted_of(wanted.generator, wanted.label, wanted.split))
        return JSONResponse(desk.deal(someone.name, queue, chosen, wanted.count))

    @api.post("/decisions", response_model=Kept, tags=["decisions"])
    async def decide(new: NewDecision, someone: Someone) -> Response:
        """Answer a clip. The response is sent once the decision is on disk."""
        return JSONResponse(await desk.decide(someone.name, new))

    @api.post("/session", response_model=Me, tags=["session"], responses={503: {"model": Problem}})
    async def come_in(entry: Entry, request: Request, response: Response) -> dict[str, Any]:
        """Sign in with a name, and with a token if the server has a users file."""
        if (name := valid_name(entry.name)) is None:
            raise Refused(
                422, "a name has up to 40 letters, digits, spaces and . @ ' - and begins with a letter or digit"
            )
        entered = await sessions.enter(name, entry.token)
        if entered is None:
            LOG.warning("sign-in of %r from %s failed: unknown name or wrong token", entry.name, address(request))
            raise Refused(401, "unknown name or wrong token")
        cookie, session = entered
        secure = request.url.scheme == "https"
        own = cookie_name(request)
        response.set_cookie(own, cookie, max_age=COOKIE_S, httponly=True, samesite="strict", secure=secure)
        return me_of(session)

    @api.get("/me", response_model=Me, tags=["session"])
    async def me(someone: Someone) -> dict[str, Any]:
        """Return your name and role."""
        return me_of(someone)

    @api.delete("/session", status_code=204, tags=["session"])
    async def leave(someone: Someone, request: Request) -> Response:
        """Sign out. Clips in your hand go back to the queue."""
        desk.release(someone.name, lapse=True)
        await sessions.leave(someone)
        response = Response(status_code=204)
        response.delete_cookie(cookie_name(request), httponly=True, samesite="strict")
        return response

    @api.get("/queues", response_model=Offer, tags=["queues"])
    async def queues(someone: Someone, wanted: Wants) -> dict[str, Any]:
        """Return all queues with the number of clips left, for the clips that match the filter."""
        check_sources(desk, someone, asked=wanted.generator is not None)
        states = [
            {
                "name": name,
                "title": title,
                "about": ABOUT[name],
                "blind": desk.settings.blind(name),
                "total": desk.board.total(someone.name, name, someone.within(name, wanted)),
                "left": desk.board.left(someone.name, name, someone.within(name, wanted)),
            }
            for name, title in desk.settings.titles.items()
            if someone.has_queue(name)
        ]
        own = someone.within("labels", wanted).among if knows_sources(desk, someone) else ()
        return {
            "queues": states,
            "generators": [name for name in desk.clips.generators if own is None or name in own],
            "labels": desk.clips.labels_in_use,
            "splits": desk.clips.splits_in_use,
            "disputed": len(desk.board.disputed(someone.within("disagreements", wanted))),
        }

    @api.delete("/hand", status_code=204, tags=["queues"])
    async def release(someone: Someone) -> Response:
        """Return the clips in your hand to the queue."""
        desk.release(someone.name)
        return Response(status_code=204)

    @api.get("/clips/{clip_id}", response_model=Item, tags=["clips"])
    async def clip(clip_id: Named, someone: Someone) -> dict[str, Any]:
        """Return one clip, with its automatic label if you may see it now."""
        return desk.item(someone.name, desk.row(clip_id), adjudicator=settles(someone))

    @api.get("/clips/{clip_id}/frames", response_model=Frames, tags=["clips"])
    async def frames(clip_id: Named, someone: Someone) -> dict[str, Any]:
        """Return the times of the frames in the served video."""
        row = desk.row(clip_id)
        read = partial(frames_of, desk.media, row)
        return await desk.turns.run(someone.name, partial(desk.media.has_video, row), read)

    @api.get("/clips/{clip_id}/media", response_model=MediaState, tags=["clips"])
    async def media(clip_id: Named, someone: Someone) -> dict[str, Any]:
        """Return whether the video of a clip is ready to play, being made, or waiting to be made."""
        return await asyncio.to_thread(desk.media.state, desk.row(clip_id))

    @api.get("/clips/{clip_id}/evidence", response_model=Evidence, tags=["clips"])
    async def evidence(clip_id: Named, someone: Someone) -> dict[str, Any]:
        """Return frame times, traces and panels. In a blind queue they are available after your first answer."""
        row = desk.row(clip_id)
        desk.sight.demand(someone.name, row, adjudicator=settles(someone))
        read = partial(evidence_of, desk.clips, desk.media, desk.traces, desk.panels, row, marks=desk.settings.marks)
        return await desk.turns.run(someone.name, partial(desk.media.has_video, row), read)

    @api.get("/answers", response_model=OwnAnswers, tags=["decisions"])
    async def answers(
        someone: Someone,
        skip: Annotated[int, Query(ge=0, le=10**9)] = 0,
        count: Annotated[int, Query(ge=1, le=100)] = 50,
    ) -> dict[str, Any]:
        """Return your own answers that count, the latest first."""
        return own_answers(desk, someone.name, skip, count)

    @api.post("/answers/{clip_id}/hand", response_model=Revisit, tags=["decisions"])
    async def look_again(clip_id: Named, someone: Someone) -> dict[str, Any]:
        """Take a clip that you have answered into your hand again. A new answer replaces the earlier one."""
        return revisit(desk, someone.name, desk.row(clip_id))

    @api.post("/undo", response_model=Undone, tags=["decisions"])
    async def undo(new: NewUndo, someone: Someone) -> dict[str, Any]:
        """Undo decisions of yours. The clip goes back into your hand."""
        undone = [desk.board.ledger.known.get(decision_id) for decision_id in new.undoes]
        if any(one is not None and one.role == ADJUDICATOR for one in undone) and not settles(someone):
            raise Refused(403, f"{someone.name} is a reviewer; only adjudicators may undo what settles a clip")
        return await desk.undo(someone.name, new)

    @api.get("/cases", response_model=Cases, tags=["adjudication"])
    async def cases(someone: Judge, wanted: Wants) -> dict[str, Any]:
        """Return the clips on which reviewers differ or are unsure. For adjudicators."""
        check_sources(desk, someone, asked=wanted.generator is not None)
        return open_cases(desk, someone.name, someone.within("disagreements", wanted))

    @api.post("/adjudications", response_model=Kept, tags=["adjudication"])
    async def adjudicate(new: Adjudication, someone: Judge) -> dict[str, Any]:
        """Set the final label of a clip. For adjudicators."""
        return await desk.adjudicate(someone.name, new)

    return api
