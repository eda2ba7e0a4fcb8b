"""A process ends when an item exceeds its deadline, and only then."""

import subprocess
import sys

TWO_THREADS = """
import threading, time
from pipelines.workers.deadline import deadline

def hang():
    with deadline(0.2) as begin:
        begin()
        time.sleep(60)

threading.Thread(target=hang, daemon=True).start()
end = time.monotonic() + 20
while time.monotonic() < end:
    with deadline(5) as begin:
        begin()
        time.sleep(0.01)
"""


def test_one_thread_does_not_extend_the_deadline_of_another() -> None:
    assert subprocess.run([sys.executable, "-c", TWO_THREADS], check=False, timeout=15).returncode == 1


def test_items_within_the_deadline_do_not_end_the_process() -> None:
    code = "import time\nfrom pipelines.workers.deadline import deadline\nwith deadline(0.4) as begin:\n"
    code += "    for _ in range(6):\n        begin()\n        time.sleep(0.1)\nprint('done')"
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True).stdout == b"done\n"
