"""The guide for reviewers: Markdown with moving examples, which a project replaces with a `guide.md` of its own."""

import asyncio
import logging
from collections.abc import Iterator, Sequence
from html import escape
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from fastapi import Path as InPath
from markdown_it import MarkdownIt
from markdown_it.token import Token

from hfv_builder.records import UsageError
from hfv_builder.storage.manifest import Manifests
from review_ui.api import SENTENCES, find_session
from review_ui.desk import Desk
from review_ui.messages import Message
from review_ui.pages import Sent
from review_ui.refused import Refused
from review_ui.sessions import Session, Sessions

FILE, FOLDER = "guide.md", "guide"
"""Beside the manifests: a project's guide, and the images and videos that it shows."""
OURS = Path(__file__).parent / "guide"
"""The guide of this package with its examples; a project's guide may show these too."""
KINDS = {".mp4": "video/mp4", ".webp": "image/webp", ".png": "image/png", ".jpg": "image/jpeg"}
NAME = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,99}\.(mp4|webp|png|jpg)$"
MOST_BYTES = 200_000
COLOURED = ("spatial", "appearance", "motion")
"""Sections whose headings have the colour of the answer."""
LOG = logging.getLogger(__name__)


class GuideText(Message):
    """The guide."""

    html: str
    """Made from Markdown, without the HTML that may be in it."""
    first: bool
    """Whether you have not answered a clip yet."""


def read_guide(manifests: Manifests) -> str:
    """Return the Markdown of the project's guide, else that of this package.

    Raises:
        UsageError: the project's guide cannot be read, or is too long.
    """
    own = manifests.root / FILE
    try:
        if not own.is_file():
            return (OURS / FILE).read_text("utf-8")
        data = own.read_bytes()
        if len(data) > MOST_BYTES:
            raise UsageError(f"{own} has {len(data):,} bytes; a guide has at most {MOST_BYTES:,}")
        return data.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"the guide {own} cannot be read: {error}; correct it, or remove it to use ours") from None


def render_guide(markdown: str) -> str:
    """Return the guide as HTML, each heading of the second level and what follows it in a `section`.

    HTML in the text is shown as text. An image whose address is `guide/NAME` becomes an image or a video with its text
    as caption; of all others only the text stays. Addresses that could run scripts are not made links.
    """
    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    parser.add_render_rule("image", _figure)
    parser.add_render_rule("link_open", _link)
    return "".join(_sections(parser, parser.parse(markdown)))


def _sections(parser: MarkdownIt, tokens: Sequence[Token]) -> Iterator[str]:
    starts = [i for i, token in enumerate(tokens) if token.type == "heading_open" and token.tag == "h2"]
    bounds = [*starts, len(tokens)]
    yield parser.renderer.render(tokens[: bounds[0]], parser.options, {})
    for start, end in pairwise(bounds):
        first = tokens[start + 1].content.lower().split(maxsplit=1)[:1]
        name = first[0] if first and first[0] in COLOURED else "other"
        yield f'<section class="{name}">{parser.renderer.render(tokens[start:end], parser.options, {})}</section>'


def _figure(_: Any, tokens: Sequence[Token], index: int, *__: Any) -> str:
    token = tokens[index]
    folder, _, name = str(token.attrGet("src")).partition("/")
    text = escape(token.content)
    if folder != FOLDER or "/" in name or Path(name).suffix not in KINDS:
        return f"<em>{text}</em>"
    address = escape(f"/{FOLDER}/{name}")
    if name.endswith(".mp4"):
        media = (
            f'<video src="{address}" aria-label="{text}" tabindex="0" loop muted playsinline preload="auto"></video>'
        )
    else:
        media = f'<img src="{address}" alt="{text}">'
    return f'<span class="figure">{media}<span class="caption">{text}</span></span>'


def _link(renderer: Any, tokens: Sequence[Token], index: int, options: Any, *_: Any) -> str:
    # In a tab of its own: the page behind the guide may hold an answer that is not saved.
    for name, value in (("target", "_blank"), ("rel", "noopener noreferrer")):
        tokens[index].attrSet(name, value)
    return str(renderer.renderToken(tokens, index, options, {}))


def make_guide(desk: Desk, sessions: Sessions) -> APIRouter:
    """Return the routes of the guide and of what it shows.

    Raises:
        UsageError: the project's guide cannot be read.
    """
    read_guide(desk.manifests)  # an error now, not while somebody reviews
    routes = APIRouter(responses=SENTENCES)  # type: ignore[arg-type]
    Someone = Annotated[Session, Depends(find_session(sessions))]

    def text() -> str:
        try:
            return render_guide(read_guide(desk.manifests))
        except UsageError as error:
            LOG.warning("%s", error)
            return render_guide((OURS / FILE).read_text("utf-8"))

    @routes.get("/api/guide", response_model=GuideText, tags=["session"])
    async def guide(someone: Someone) -> dict[str, Any]:
        """Return the guide to the answers."""
        return {"html": await asyncio.to_thread(text), "first": not desk.board.reviewer(someone.name).answered}

    @routes.get(f"/{FOLDER}/{{name}}", response_class=Sent, tags=["media"])
    async def example(name: Annotated[str, InPath(pattern=NAME)], someone: Someone) -> Sent:
        """Return an image or a video of the guide."""
        own = desk.manifests.local_root / FOLDER / name
        file = own if own.is_file() else OURS / name
        if not file.is_file():
            raise Refused(404, f"the guide has no {name}")
        return Sent(file, media_type=KINDS[file.suffix], headers={"cache-control": "private, max-age=600"})

    return routes
