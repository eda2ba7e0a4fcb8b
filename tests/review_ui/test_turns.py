"""Turns: slow work of one reviewer waits for their own, never for that of others, and quick work waits for nobody's."""

import asyncio
import threading

from review_ui.turns import AT_ONCE, Turns


def test_one_reviewer_has_few_turns_and_the_others_have_theirs() -> None:
    async def run() -> None:
        turns, go = Turns(), threading.Event()
        begun: list[str] = []

        def work(name: str) -> str:
            begun.append(name)
            go.wait(30)
            return name

        def slow(name: str) -> "asyncio.Task[str]":
            return asyncio.create_task(turns.run(name, lambda: False, lambda: work(name)))

        anna = [slow("anna") for _ in range(AT_ONCE + 2)]
        while len(begun) < AT_ONCE:
            await asyncio.sleep(0.01)
        ben = slow("ben")
        while "ben" not in begun:
            await asyncio.sleep(0.01)
        assert await turns.run("anna", lambda: True, lambda: "quick") == "quick"
        assert begun == ["anna"] * AT_ONCE + ["ben"]
        go.set()
        assert await asyncio.gather(*anna, ben) == ["anna"] * len(anna) + ["ben"]

    asyncio.run(run())


def test_an_error_gives_the_turn_back() -> None:
    async def run() -> None:
        turns = Turns()

        def fail() -> None:
            raise ZeroDivisionError

        for _ in range(AT_ONCE + 1):
            results = await asyncio.gather(turns.run("anna", lambda: False, fail), return_exceptions=True)
            assert isinstance(results[0], ZeroDivisionError)

    asyncio.run(run())
