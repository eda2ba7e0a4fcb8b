"""The web app: create the FastAPI application with its routes, pages and error handlers."""

import sqlite3
import sys
from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import Depends, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException

from hfv_builder import __version__
from hfv_builder.records import UsageError
from hfv_builder.storage.manifest import Manifests
from hfv_builder.storage.path_text import printable
from hfv_builder.storage.validation import first_problem
from review_ui.api import find_session, make_api
from review_ui.browse_api import make_browse
from review_ui.desk import Desk
from review_ui.exports import export
from review_ui.guard import LOOPBACK, Guard
from review_ui.guide import make_guide
from review_ui.pages import HERE, make_media, make_pages, missing
from review_ui.refused import Refused
from review_ui.results import make_results
from review_ui.sessions import Sessions
from review_ui.settings import Settings
from review_ui.stats import Statistics
from review_ui.users import User, UsersFile
from review_ui.writer import NotKept

ABOUT = """The API of the review pages. Sign in with `POST /api/session` and keep the cookie; if the server has a users
file, `Authorization: Bearer TOKEN` works too. Requests that change something are rejected if a browser sends them from
another site."""


def _check_assignments(users: Mapping[str, User], desk: Desk) -> None:
    """Check that the users are assigned to generators of the manifests.

    Raises:
        UsageError: a user is assigned to another one.
    """
    for user in users.values():
        unknown = sorted(set(user.generators or ()) - set(desk.clips.generators))
        if unknown:
            known = ", ".join(desk.clips.generators) or "none"
            desk.close()
            raise UsageError(f"{user.name} is assigned to the generator {unknown[0]!r}; the manifests have {known}")


def _check_list(only: Collection[str] | None, desk: Desk) -> None:
    """Print how many clips of the list the manifests lack.

    Raises:
        UsageError: they lack all.
    """
    if only is None:
        return
    absent = sorted({*only} - desk.clips.row.keys())
    if len(absent) == len({*only}):
        desk.close()
        raise UsageError(f"no clip of the list is in {desk.manifests.root}; give the ids that its catalogue has")
    if absent:
        lack = f"{len(absent)} of the {len({*only})} entries of the list are no clips of {desk.manifests.root}"
        print(f"warning: {lack}, such as {printable(absent[0])}", file=sys.stderr)


def create_app(
    manifests: Manifests,
    db: Path,
    *,
    settings: Settings | None = None,
    users: Mapping[str, User] | UsersFile | None = None,
    hosts: Iterable[str] = LOOPBACK,
    export_on_exit: bool = True,
    into: Manifests | None = None,
    only: Collection[str] | None = None,
    answers: Mapping[str, Mapping[str, Any]] | None = None,
) -> FastAPI:
    """Return the app for reviewing the clips of these manifests.

    Args:
        manifests: the manifests with clips, scores and labels.
        db: the SQLite file of the decisions. Video proxies are stored beside it.
        settings: the review settings; None uses the defaults.
        users: the users who may sign in; None accepts any name.
        hosts: the accepted host names of requests.
        export_on_exit: whether the manifests `reviews` and `final` are written when the server stops.
        into: the manifests to write; None writes into `manifests`.
        only: ids of the clips to review; None reviews all.
        answers: of a detector, by clip id: run, answer and probabilities; None for no detector.

    Raises:
        UsageError: a manifest or the database cannot be read.
    """
    desk = Desk(manifests, db, settings or Settings(), only, answers)
    sessions = Sessions(users, desk.store)
    _check_assignments(sessions.users or {}, desk)
    _check_list(only, desk)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        try:
            desk.close()
        finally:  # the decisions in the database can be exported even if closing fails
            if export_on_exit:
                try:
                    export(desk.store, manifests, into)
                except UsageError as error:
                    print(
                        f"the decisions are in {db} and not exported ({error}): run `hfv reviews export`",
                        file=sys.stderr,
                    )

    app = FastAPI(
        title="hfv review",
        version=__version__,
        description=ABOUT,
        lifespan=lifespan,
        # The interactive pages of FastAPI load scripts from other sites.
        docs_url=None,
        redoc_url=None,
        openapi_url=None,  # a route of the API, which needs a session
    )
    # Routers are not included, since FastAPI would build every route of them a second time.
    for router in (
        make_api(desk, sessions),
        make_results(desk, sessions, Statistics(desk)),
        make_browse(desk, sessions),
        make_guide(desk, sessions),
        make_media(desk, sessions),
        make_pages(desk, sessions),
    ):
        app.router.routes.extend(router.routes)
    app.mount("/static", StaticFiles(directory=HERE / "static"), name="static")
    app.add_middleware(Guard, hosts=tuple(hosts))

    @app.get("/api/openapi.json", include_in_schema=False, dependencies=[Depends(find_session(sessions))])
    async def describe() -> JSONResponse:
        return JSONResponse(app.openapi())

    @app.exception_handler(Refused)
    async def refused(request: Request, error: Any) -> JSONResponse:
        return JSONResponse({"error": error.sentence}, error.status)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: Any) -> JSONResponse:
        return JSONResponse({"error": first_problem(error)}, 422)

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: Any) -> Response:
        if error.status_code == 404 and "text/html" in request.headers.get("accept", ""):
            return missing(request, sessions)
        return JSONResponse({"error": str(error.detail).lower()}, error.status_code, headers=error.headers)

    @app.exception_handler(NotKept)
    @app.exception_handler(sqlite3.Error)
    async def database(request: Request, error: Any) -> JSONResponse:
        sentence = f"the decision could not be saved ({error}); it does not count and can be sent again"
        return JSONResponse({"error": sentence}, 503)

    @app.exception_handler(UsageError)
    async def usage(request: Request, error: Any) -> JSONResponse:
        return JSONResponse({"error": str(error)}, 503)

    return app
