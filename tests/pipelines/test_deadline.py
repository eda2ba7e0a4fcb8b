"""The end of a process in which an item of work does not end."""

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
until = time.monotonic() + 20
while time.monotonic() < until:
    with deadline(5) as begin:
        begin()
        time.sleep(0.01)
"""


def test_no_thread_puts_off_the_end_of_another() -> None:
    assert subprocess.run([sys.executable, "-c", TWO_THREADS], check=False, timeout=15).returncode == 1


def test_who_is_in_time_goes_on() -> None:
    slow = "import time\nfrom pipelines.workers.deadline import deadline\nwith deadline(0.4) as begin:\n"
    slow += "    for _ in range(6):\n        begin()\n        time.sleep(0.1)\nprint('done')"
    assert subprocess.run([sys.executable, "-c", slow], check=True, capture_output=True).stdout == b"done\n"
