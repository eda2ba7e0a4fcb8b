"""`hfv demo`: take its folder before the stages are imported, which takes seconds."""

from pathlib import Path

from hfv_builder.records import UsageError
from pipelines.alone import alone
from pipelines.demo.truth import TRUTH
from pipelines.outcome import Outcome


def run(out: Path, *, seed: int, workers: int | None) -> Outcome:
    """Run the demo in a folder.

    Raises:
        UsageError: the folder cannot be written, holds something else, or another demo is at work there.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        is_used = any(not path.name.startswith(".") for path in out.iterdir())
    except OSError as error:
        raise UsageError(f"cannot write to {out}: {error.strerror}; choose another place with --out DIR") from None
    if is_used and not (out / TRUTH).exists():  # files of one's own could have the names of those of the demo
        raise UsageError(f"{out} is not empty and not the folder of a demo: choose another place with --out DIR")
    with alone(out, "demo"):
        from pipelines.demo.stage import demo

        return demo(out, seed=seed, workers=workers)
