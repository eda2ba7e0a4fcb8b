"""The distribution of test files to processes."""

from pathlib import Path
from typing import Any

from xdist.scheduler import LoadFileScheduling


class ByFolder(LoadFileScheduling):  # type: ignore[misc]
    """Give every process the files of one folder, then those of another, so that fewer clusters and browsers start.

    Where there is a choice, no two processes are in one folder, so that not all of them wait at the same time, and the
    files with the most tests come first, so that no process ends long before the others.
    """

    def _assign_work_unit(self, node: Any) -> None:
        folders = {each: _folder(next(reversed(files))) for each, files in self.assigned_work.items() if files}
        mine = folders.pop(node, None)

        def rank(file: str) -> tuple[bool, bool, int]:
            return _folder(file) != mine, _folder(file) in folders.values(), -len(self.workqueue[file])

        best = min(self.workqueue, key=rank)
        self.workqueue.move_to_end(best, last=False)
        super()._assign_work_unit(node)


def _folder(file: str) -> str:
    """Return the folder below `tests`, such as `review_ui`."""
    return Path(file).parts[1]
