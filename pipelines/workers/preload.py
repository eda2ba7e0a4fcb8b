"""Import the modules of workers into the fork server. Imported there, and nowhere else.

Collections of garbage take a quarter of the time of the imports, and would later make every worker copy the memory that
it shares with the fork server.
"""

import contextlib
import gc
import os
from importlib import import_module

from pipelines.workers.local import PRELOAD

gc.disable()
for name in os.environ.pop(PRELOAD, "").split():
    with contextlib.suppress(Exception):  # the command or the worker that needs the module reports it
        import_module(name)
gc.freeze()
gc.enable()
