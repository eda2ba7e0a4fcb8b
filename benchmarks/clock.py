"""Measure the time that a computation takes, and the time of some calls within it."""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Spent:
    """The time that a computation took."""

    cpu_s: float
    wall_s: float

    def __add__(self, other: "Spent") -> "Spent":
        return Spent(cpu_s=self.cpu_s + other.cpu_s, wall_s=self.wall_s + other.wall_s)


def measured(function: Callable[[], Any]) -> tuple[Any, Spent]:
    """Return the result of the function, and the time that it took."""
    cpu, wall = time.process_time(), time.perf_counter()
    result = function()
    return result, Spent(cpu_s=time.process_time() - cpu, wall_s=time.perf_counter() - wall)


class Clock:
    """Adds up the time of some calls within a longer computation."""

    def __init__(self) -> None:
        self.spent = Spent(cpu_s=0, wall_s=0)

    def time(self, function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        """Return the function's result, and add the time that it took."""
        result, spent = measured(lambda: function(*arguments, **options))
        self.spent += spent
        return result

    def each(self, values: Iterable[Any]) -> Iterator[Any]:
        """Yield the values, and add the time that it took to compute them."""
        iterator = iter(values)
        while (value := self.time(next, iterator, None)) is not None:
            yield value


class Timed:
    """A model whose calls a clock measures, also those of the objects that it begins."""

    def __init__(self, model: Any, clock: Clock) -> None:
        self._model, self._clock = model, clock

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._model, name)
        if name == "begin":
            return lambda: Timed(method(), self._clock)
        return partial(self._clock.time, method) if callable(method) else method
