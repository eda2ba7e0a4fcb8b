"""Read several partitions as of one moment."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from hfv_builder.records import UsageError
from hfv_builder.storage.manifest import NEW, Manifests
from hfv_builder.storage.replacement import TRIES
from hfv_builder.storage.schema import Table

T = TypeVar("T")
State = list[tuple[str, dict[str, str], list[str]]]


def at_one_moment(manifests: Manifests, tables: Sequence[Table], read: Callable[[], T], **partition: str) -> T:
    """Return the result of `read`, which is called again if another command has changed one of the tables meanwhile.

    Args:
        manifests: the manifests.
        tables: the tables that `read` reads.
        read: must not write them.
        **partition: values of partition columns, of the tables that have them.

    Raises:
        UsageError: they change every time, or `read` raises it.
    """
    after, refusal = state(manifests, tables, **partition), None
    for _ in range(TRIES):
        before, refusal = after, None
        try:
            result = read()
        except UsageError as error:
            refusal = error
        after = state(manifests, tables, **partition)
        if after == before:
            if refusal is not None:
                raise refusal
            return result
    raise refusal or UsageError(f"another hfv is at work on {manifests.root}; wait until it ends")


def state(manifests: Manifests, tables: Sequence[Table], **partition: str) -> State:
    """Return the names of the parts of these tables, which are hashes of their content.

    Parts added since the last replacement are left out: a command at work adds some all the time.
    """
    return [
        (table.name, keys, [part.name for part in parts if not part.name.startswith(NEW)])
        for table in tables
        for keys, parts in manifests.filled(table, partition)
    ]
