"""A Dask client that leaves nothing behind if it cannot connect. Imported only where Dask is needed."""

from typing import Any

from distributed import Client


class Connection(Client):
    """A `Client` that is closed if it fails to connect.

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
