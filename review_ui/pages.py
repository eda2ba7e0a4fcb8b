"""The HTML pages, and the media of clips."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import anyio
from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import FileResponse, RedirectResponse
from fastapi.templating import Jinja2Templates

from hfv_builder.records import ClipError, Metric
from review_ui.api import SENTENCES, Named, cookie_name, find_session, settles
from review_ui.desk import Desk
from review_ui.media import Served
from review_ui.refused import Refused
from review_ui.sessions import Session, Sessions
from review_ui.users import Role

HERE = Path(__file__).parent
TEMPLATES = Jinja2Templates(HERE / "templates")
PAUSES = {"look": 700, "reveal": 400}
"""Milliseconds until answers are accepted, after a clip has become visible and after its automatic label has.

The second is longer than a double tap, which must not confirm an answer beside a label that nobody has read.
"""
TEMPLATES.env.globals["pauses"] = PAUSES
VIDEO: dict[int | str, dict[str, Any]] = {
    200: {"description": "The whole video", "content": {"video/mp4": {}}},
    206: {"description": "The requested range", "content": {"video/mp4": {}}},
    416: {"description": "The range begins after the end of the video"},
}
IMAGE: dict[int | str, dict[str, Any]] = {200: {"description": "An image", "content": {"image/webp": {}}}}
CACHED = {"cache-control": "private, max-age=3600"}
"""A clip id is a hash of the content, so the media of a clip rarely change."""


class Sent(FileResponse):
    """A file response that closes its file even if the request is cancelled.

    Starlette opens and closes files in threads. Cancelling the request, as a stopping server does, cancels these calls
    too and leaves the file open until garbage collection. Here both calls are synchronous.
    """

    @asynccontextmanager
    async def _open_file(self) -> AsyncIterator[anyio.AsyncFile[bytes]]:
        with Path(self.path).open("rb") as file:
            yield anyio.wrap_file(file)


def make_pages(desk: Desk, sessions: Sessions) -> APIRouter:
    """Return the routes of the HTML pages."""
    pages = APIRouter(include_in_schema=False)

    def page(name: str, adjudicator: bool = False) -> Callable[..., Awaitable[Response]]:
        async def show(request: Request) -> Response:
            session = sessions.find(request.cookies.get(cookie_name(request), ""))
            if session is None:
                return RedirectResponse("/enter", 303)
            if adjudicator and session.role is not Role.ADJUDICATOR:
                return RedirectResponse("/", 303)
            context: dict[str, Any] = {"session": session, "page": name, "role": session.role.value}
            if name == "api":
                context["routes"] = routes(request.app.openapi())
            return TEMPLATES.TemplateResponse(request, f"{name}.html", context)

        return show

    for path, name in (("/", "home"), *((f"/{name}", name) for name in ("review", "browse", "answers", "dashboard"))):
        pages.add_api_route(path, page(name), methods=["GET"])
    pages.add_api_route("/api-guide", page("api"), methods=["GET"])
    pages.add_api_route("/adjudicate", page("adjudicate", adjudicator=True), methods=["GET"])

    @pages.get("/clip/{clip_id}")
    async def clip(request: Request, clip_id: str) -> Response:
        """Return the page of a clip."""
        if clip_id not in desk.clips.row:
            return missing(request, sessions)
        return await page("clip")(request)

    @pages.get("/enter")
    async def enter(request: Request) -> Response:
        """Return the page for signing in."""
        return TEMPLATES.TemplateResponse(request, "enter.html", {"users": sessions.users is not None, "page": "enter"})

    return pages


def missing(request: Request, sessions: Sessions) -> Response:
    """Return the page for an address that does not exist, with status 404."""
    session = sessions.find(request.cookies.get(cookie_name(request), ""))
    context = {"session": session, "page": "missing", "role": session.role.value if session else None}
    return TEMPLATES.TemplateResponse(request, "missing.html", context, status_code=404)


def make_media(desk: Desk, sessions: Sessions) -> APIRouter:
    """Return the routes of videos and images, which are addressed by clip id only."""
    media = APIRouter(prefix="/media", tags=["media"], responses=SENTENCES)  # type: ignore[arg-type]
    Someone = Annotated[Session, Depends(find_session(sessions))]

    async def served(name: str, is_made: Callable[[int], bool], make: Callable[[int], Served], clip_id: str) -> Sent:
        """Return a file of a clip; `name` is that of the reviewer, with what it must not wait for."""
        row = desk.row(clip_id)
        try:
            file = await desk.turns.run(name, partial(is_made, row), partial(make, row))
        except ClipError as error:
            raise Refused(409, f"this clip cannot be shown: {error}") from None
        return Sent(file.path, media_type=file.media_type, headers=CACHED)

    @media.head("/{clip_id}.mp4", include_in_schema=False)
    @media.get("/{clip_id}.mp4", response_class=Sent, responses=VIDEO)
    async def video(clip_id: Named, someone: Someone) -> Sent:
        """Return the clip, or a proxy that browsers can play. Supports ranges."""
        return await served(someone.name, desk.media.has_video, desk.media.video, clip_id)

    @media.get("/{clip_id}/strip.webp", response_class=Sent, responses=IMAGE)
    async def strip(clip_id: Named, someone: Someone) -> Sent:
        """Return twelve frames of the clip side by side."""
        return await served(f"{someone.name}\nstrips", desk.media.has_strip, desk.media.strip, clip_id)

    @media.get("/{clip_id}/{metric}.webp", response_class=Response, responses=IMAGE)
    async def panel(clip_id: Named, metric: Metric, someone: Someone) -> Response:
        """Return the image of the metric's worst moment with the scale of its error map."""
        row = desk.row(clip_id)
        desk.sight.demand(someone.name, row, adjudicator=settles(someone))
        image = await asyncio.to_thread(desk.panels.image, row, metric)
        if image is None:
            raise Refused(404, f"scoring has written no {metric.value} image of this clip")
        return Response(image, media_type="image/webp", headers=CACHED)

    return media


def routes(openapi: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the rows of the API guide, method, path and description, from the OpenAPI description."""
    return [
        {"method": method.upper(), "path": path, "about": about.get("description", "").replace("`", "")}
        for path, methods in openapi["paths"].items()
        for method, about in methods.items()
    ]
