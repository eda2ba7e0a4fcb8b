"""A Dask client without two of its faults. Imported only where Dask is needed."""

from typing import Any

from distributed import Client


class Connection(Client):
    """A `Client` that is closed if it fails to connect, and lets its cluster alone.

    A `Client` that fails is closed by the garbage collector, in any thread. In the thread of the next client's event
    loop it waits for a lock that is held until that thread has started.
    """

    def start(self, **options: Any) -> None:
        """Connect to the scheduler.

        Raises:
            OSError: the scheduler does not respond, or refuses the connection.
            ValueError: the address is invalid.
        """
        try:
            super().start(**options)  # type: ignore[no-untyped-call]
        except BaseException:
            self.close()  # type: ignore[no-untyped-call]
            raise

    def wait_for_workers(self, n_workers: int, timeout: float | str | None = None) -> None:
        """Wait until this many workers are running.

        `Client` makes its cluster fetch the list of workers; the cluster then fails when it closes if a worker that is
        not in the list any more has left a moment before.

        Raises:
            TimeoutError: there are fewer after this time.
        """
        self.sync(self._wait_for_workers, n_workers, timeout=timeout)  # type: ignore[no-untyped-call]
