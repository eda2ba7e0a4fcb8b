"""Work for processes of their own, in a module that they import fast."""

import os
import time
from pathlib import Path

from hfv_builder.records import ClipError
from hfv_builder.storage.part_file import part_file


def copy(source: Path, target: Path) -> None:
    target.write_bytes(source.read_bytes())


def refuse(source: Path, target: Path) -> None:
    raise ClipError(f"{source.name} cannot be made into {target.name}")


def find_the_disk_full(source: Path, target: Path) -> None:
    raise OSError(28, "No space left on device")


def fail(source: Path, target: Path) -> None:
    raise ZeroDivisionError("an error of ours")


def die(source: Path, target: Path) -> None:
    os._exit(1)


def hang(source: Path, target: Path) -> None:
    target.write_text(str(os.getpid()))
    time.sleep(600)


def hang_in_the_middle(source: Path, target: Path) -> None:
    with part_file(target) as part:
        part.write_text("half")
        time.sleep(600)
