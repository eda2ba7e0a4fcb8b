"""A reviewer without a keyboard: taps, a whole session of them, and the decisions that it must leave behind."""

from collections.abc import Iterator, Sequence
from itertools import cycle, islice
from typing import Any

from hfv_builder.storage.schema import REVIEWS
from tests.review_ui.browser import CLIP, Desk, Served

PHONE, TABLET = (390, 844), (820, 1180)
ANSWERS = ("spatial", "motion", "none", "reject", "appearance", "unsure")
KEPT_AS = {"reject": "broken", "none": "no anomaly"}
# In the same moment as the next click, so that the speed of the machine does not decide which clip they reach.
IMPATIENT = """(places) => document.addEventListener("click",
  () => places.forEach((place) => document.querySelector(place).click()), {once: true})"""
Kept = tuple[str, str, str, str | None, str | None, bool]
"""Reviewer, clip, answer, strength, note, and whether the answer is final."""


def touching(sit: Any, served: Served, name: str, size: tuple[int, int], **more: Any) -> Desk:
    """A reviewer with a screen of this size and no keyboard."""
    screen = {"width": size[0], "height": size[1]}
    desk: Desk = sit(served, name, "/", has_touch=True, is_mobile=True, screen=screen, viewport=screen, **more)
    return desk


def tap(desk: Desk, selector: str) -> None:
    desk.page.locator(selector).first.tap()


def choose(desk: Desk, answer: str, strength: str) -> str | None:
    """Taps an answer, and how strong it is where the page asks that; the strength that was taken."""
    tap(desk, f"[data-answer={answer}]")
    if answer == "reject":
        tap(desk, "#reason-list button:nth-child(3)")
    if answer not in ("spatial", "appearance", "motion") or not desk.page.locator("#strength").is_visible():
        return None
    tap(desk, f"[data-strength={strength}]")
    return strength


def confirm(desk: Desk, answer: str) -> None:
    """Taps the blue button; at once the button and the answer are tapped again, which must do nothing."""
    desk.page.evaluate(IMPATIENT, ["#confirm", f"[data-answer={answer}]"])
    tap(desk, "#confirm")


def session(desk: Desk, name: str, clips: int) -> Iterator[Kept]:
    """Answers so many clips; yields what must be kept, in order.

    Every fourth answer has a note, every fifth is confirmed offline, every seventh clip loses its choice to a reload of
    the page, and every ninth answer is undone and given otherwise.
    """
    strengths = cycle(("strong", "weak"))
    for number, answer in enumerate(islice(cycle(ANSWERS), clips), 1):
        clip = desk.opened().clip
        if number % 7 == 0:
            desk.saved()
            tap(desk, "[data-answer=none]")
            desk.page.reload()
            desk.at(clip)
            assert desk.opened().page.locator(".answer[aria-pressed=true]").count() == 0
        note = None if number % 4 else f"clip {number}"
        yield from answered(desk, name, answer, next(strengths), note=note, offline=number % 5 == 0)
        if number % 9 == 0:
            following = desk.opened().clip
            tap(desk, "[data-do=undo]")
            desk.at(clip)
            yield name, clip, "undo", None, None, False
            yield from answered(desk, name, "motion" if answer != "motion" else "none", next(strengths))
            assert desk.opened().clip == following
    desk.saved()


def answered(
    desk: Desk, name: str, answer: str, strength: str, *, note: str | None = None, offline: bool = False
) -> list[Kept]:
    """Answers the clip that is visible; what must be kept of that."""
    clip, blind = desk.opened().clip, desk.phase == "blind"
    if note:
        tap(desk, "[data-do=note]")
        desk.page.fill("#note-text", note)
        tap(desk, "#note .primary")
    taken = choose(desk, answer, strength)
    if offline:
        desk.context.set_offline(True)
    confirm(desk, answer)
    if offline:
        desk.says("#saved", "not sent")
        desk.context.set_offline(False)
    kept = (name, clip, KEPT_AS.get(answer, answer), taken)
    if blind:
        desk.in_phase("revealed")
        assert desk.opened().clip == clip
        confirm(desk, answer)
    desk.until(f"![it, ''].includes({CLIP})", clip)
    assert desk.page.locator(".answer[aria-pressed=true]").count() == 0
    return [(*kept, None, False), (*kept, note, True)] if blind else [(*kept, note, True)]


def decisions(rows: Sequence[dict[str, Any]]) -> list[Kept]:
    """The rows of the `reviews` manifest as `session` yields them, in the order in which they were kept."""
    labels = ("spatial", "appearance", "motion")

    def answer(row: dict[str, Any]) -> str:
        if row["undoes"]:
            return "undo"
        return str(labels[row["label"]] if row["label"] is not None else row["reason"] or row["decision"])

    ordered = sorted(rows, key=lambda row: row["created_at"])
    return [
        (row["reviewer"], row["clip_id"], answer(row), row["strength"], row["note"], row["final"]) for row in ordered
    ]


def kept(served: Served) -> list[Kept]:
    """The decisions that the server exports when it stops."""
    served.end()
    return decisions(served.manifests.read(REVIEWS).to_pylist())
