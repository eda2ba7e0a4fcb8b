"""The routes of results: statistics, the summary of days, and downloads of decisions."""

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response

from hfv_builder.labelling.decisions import Decision
from review_ui.api import SENTENCES, find_adjudicator, find_session
from review_ui.daily import days_csv
from review_ui.desk import Desk
from review_ui.exports import as_csv, as_parquet
from review_ui.sessions import Session, Sessions
from review_ui.stats import Statistics

CSV = "text/csv; charset=utf-8"


def make_results(desk: Desk, sessions: Sessions, statistics: Statistics) -> APIRouter:
    """Return the routes of results."""
    results = APIRouter(prefix="/api", tags=["results"], responses=SENTENCES)  # type: ignore[arg-type]
    Someone = Annotated[Session, Depends(find_session(sessions))]
    Judge = Annotated[Session, Depends(find_adjudicator(sessions))]

    @results.get("/statistics")
    async def stats(someone: Someone) -> dict[str, Any]:
        """Return progress, pace and agreement, at most a few seconds old."""
        return await statistics.current()

    @results.get("/days.csv", response_class=Response)
    async def days(someone: Someone) -> Response:
        """Return the work of every reviewer on every day as CSV: answers, pace, and agreement on double reviews."""
        made = await statistics.current()
        return _download(await asyncio.to_thread(days_csv, made["days"]), CSV, "days.csv")

    @results.get("/reviews.csv", response_class=Response)
    async def reviews_csv(someone: Judge) -> Response:
        """Return all decisions as CSV, with the columns of the `reviews` manifest. For adjudicators."""
        return _download(await asyncio.to_thread(as_csv, taken(desk, someone.name)), CSV, "reviews.csv")

    @results.get("/reviews.parquet", response_class=Response)
    async def reviews_parquet(someone: Judge) -> Response:
        """Return all decisions as Parquet, with the columns of the `reviews` manifest. For adjudicators."""
        data = await asyncio.to_thread(as_parquet, taken(desk, someone.name), desk.settings.overlap)
        return _download(data, "application/vnd.apache.parquet", "reviews.parquet")

    return results


def taken(desk: Desk, name: str) -> list[Decision]:
    """Return all decisions. Later answers to clips about which others say something are not blind."""
    decisions, answered = desk.decisions(), desk.board.reviewer(name).answered
    rows = {desk.clips.row.get(decision.clip_id) for decision in decisions if decision.reviewer != name}
    desk.sight.inform(name, [row for row in rows if row is not None and row not in answered])
    return decisions


def _download(data: bytes, media_type: str, name: str) -> Response:
    return Response(data, media_type=media_type, headers={"content-disposition": f'attachment; filename="{name}"'})
