"""Review labels in the browser: run the server, export its decisions, and add users."""

import gc
import re
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

from hfv_builder.records import UsageError
from hfv_builder.storage.lock import lock
from hfv_builder.storage.manifest import Manifests
from hfv_builder.wording import counted
from pipelines.generators import catalogued
from pipelines.outcome import Outcome, table
from pipelines.score.old_scores import bring_up_to_date, old_generators

if TYPE_CHECKING:
    from review_ui.store import DecisionLog


def database(manifests: Manifests, db: Path | None = None) -> Path:
    """Return the path of the database: `db`, or the default below the manifests."""
    return db or manifests.local_root / "review" / "decisions.sqlite"


def destination(manifests: Manifests, db: Path | None = None, into: Manifests | None = None) -> Manifests:
    """Return the manifests to export to: `into`, else those of the clips, else a folder beside a custom database.

    A custom database may be that of a trial, whose decisions must not become real votes without being asked for.
    """
    if into is not None:
        return into
    if db is None or db.resolve() == database(manifests).resolve():
        return manifests
    return Manifests(db.with_name(f"{db.stem}-manifests").absolute())


def review(
    manifests: Manifests,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    users: Path | None = None,
    settings: Path | None = None,
    overlap: int | None = None,
    cache_gb: float | None = None,
    db: Path | None = None,
    into: Manifests | None = None,
    names: Sequence[str] = (),
    clips: Path | None = None,
    run: Path | None = None,
    verbose: bool = False,
) -> Outcome:
    """Serve the app until it is stopped, then export the decisions.

    Args:
        manifests: the manifests with clips, scores and labels.
        host: the address to listen on.
        port: the port to listen on.
        users: the users file, which is read again when it changes; required if other machines can reach `host`.
        settings: the settings file; None uses the defaults.
        overlap: number of reviewers per clip; None uses the settings.
        cache_gb: largest size of all proxies together in GB; None uses the settings.
        db: the database of the decisions; None uses the default below the manifests.
        into: the manifests to export to; None uses `destination`.
        names: additional host names of the server, such as that of a reverse proxy.
        clips: a file with the ids of the clips to review, one per line; None reviews all.
        run: a run of a detector whose answers are shown beside the automatic labels; None shows none.
        verbose: whether requests are logged.

    Raises:
        UsageError: there are no clips, other machines can reach `host` and no users are given, the port is taken, or a
            file cannot be read.
    """
    from hfv_builder.detectors.answers import answers_of
    from hfv_builder.detectors.run_folder import read_run
    from review_ui.app import create_app
    from review_ui.guard import is_loopback, names_of
    from review_ui.settings import load_settings
    from review_ui.users import ADVICE, UsersFile

    users_file = None if users is None else UsersFile(users)
    if users_file is None and not is_loopback(host):
        raise UsageError(
            f"other machines can reach {host}: give --users FILE, so that only reviewers can sign in; {ADVICE}"
        )
    chosen = load_settings(settings, overlap=overlap, cache_gb=cache_gb)
    only = None if clips is None else read_list(clips)
    answers = {} if run is None else answers_of(read_run(run))
    decisions = database(manifests, db).resolve()
    catalogued(manifests)  # else a folder with a mistyped name would be made and served
    with manifests.lock("review"), lock(decisions.parent, decisions.name):
        bring_up_to_date(manifests, old_generators(manifests))
        app = create_app(
            manifests,
            decisions,
            settings=chosen,
            users=users_file,
            hosts=(*names_of(host), *names),
            into=destination(manifests, db, into),
            only=only,
            answers=answers,
        )
        url = f"http://{f'[{host}]' if ':' in host else host}:{port}"
        print(f"reviewing {manifests.root} at {url} (Ctrl-C stops it and exports)", file=sys.stderr)
        _serve(app, host, port, verbose=verbose)
    return export_reviews(manifests, db=db, into=into)


def _serve(app: Any, host: str, port: int, *, verbose: bool) -> None:
    """Serve the app until it is stopped.

    Raises:
        UsageError: the port is taken.
    """
    import uvicorn

    from review_ui.connections import server_config

    # The manifests stay in memory; excluding them from garbage collection avoids pauses.
    gc.freeze()
    config = server_config(app, host=host, port=port, log_level="info" if verbose else "warning")
    try:
        uvicorn.Server(config).run()
    except KeyboardInterrupt:
        pass  # raised by uvicorn after the server has stopped and exported
    except SystemExit:
        raise UsageError(f"cannot listen on {host}:{port}; choose another port with --port N") from None


def _opened(path: Path) -> "closing[DecisionLog]":
    """Open the database of the decisions.

    Raises:
        UsageError: there is no database, or it cannot be read.
    """
    from review_ui.store import DecisionLog

    if not path.is_file():
        raise UsageError(f"there are no decisions yet: {path} does not exist; start with `hfv review`")
    return closing(DecisionLog(path))


def read_list(path: Path) -> frozenset[str]:
    """Return the clip ids in the first column of a text or CSV file, such as the lists that `hfv audit` writes.

    Raises:
        UsageError: it cannot be read, or has no clip id.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UsageError(f"{path} is not a UTF-8 text: give a file with one clip id per line") from None
    firsts = (re.split("[,;\t]", line, maxsplit=1)[0].strip(' "') for line in lines)
    ids = frozenset(name for name in firsts if name and name != "clip_id")
    if not ids:
        raise UsageError(f"{path} has no clip ids: give a file with one id per line, as `hfv audit` writes them")
    return ids


def export_reviews(
    manifests: Manifests, *, db: Path | None = None, into: Manifests | None = None, overlap: int | None = None
) -> Outcome:
    """Write the decisions to the `reviews` manifest, and the resulting labels to `final`.

    Args:
        manifests: the manifests with the clips and their labels.
        db: the database of the decisions; None uses the default below the manifests.
        into: the manifests to export to; None uses `destination`.
        overlap: number of votes below which a majority does not count; None uses the setting of the review.

    Raises:
        UsageError: there is no database, or it cannot be read.
    """
    from review_ui.exports import export

    path = database(manifests, db)
    with _opened(path) as store:
        target = destination(manifests, db, into)
        rows = export(store, manifests, target, overlap=overlap)
    text = f"{counted(rows, 'decision')} in {target.root}/reviews, final labels in {target.root}/final"
    if target.root != manifests.root:
        command = f"`hfv reviews export --db {quote(str(path))} --into {quote(str(manifests.root))}`"
        text += f"\nthey do not count in {manifests.root}; to add them there, run {command}"
    return Outcome(summary={"decisions": rows, "database": str(path), "manifests": str(target.root)}, text=text)


def daily_summary(manifests: Manifests, *, db: Path | None = None, csv: Path | None = None) -> Outcome:
    """Return the work of every reviewer on every day, the latest day first.

    Args:
        manifests: the manifests with the clips.
        db: the database of the decisions; None uses the default below the manifests.
        csv: a file to write the table to; None writes none.

    Raises:
        UsageError: there is no database, or a file cannot be read or written.
    """
    from review_ui.clips import Clips
    from review_ui.daily import days, days_csv, printed
    from review_ui.people import sittings

    with _opened(database(manifests, db)) as store:
        rows = days(list(sittings(store.decisions(), Clips(manifests))))
    text = table([printed(row) for row in rows]) or "nobody has answered a clip yet"
    if csv is not None:
        try:
            csv.write_bytes(days_csv(rows))
        except OSError as error:
            raise UsageError(f"cannot write to {csv}: {error.strerror}") from None
        text += f"\n\n{counted(len(rows), 'row')} in {csv}"
    return Outcome(summary={"days": rows}, text=text)


def add_user(
    name: str, users: Path, *, role: str = "reviewer", generators: Sequence[str] = (), queues: Sequence[str] = ()
) -> Outcome:
    """Add a user to the users file and return their token, of which only the hash is stored.

    Args:
        name: the name of the user.
        users: the users file; it is created if it does not exist.
        role: `reviewer` or `adjudicator`.
        generators: the generators that the user is assigned to; empty for all.
        queues: the queues that the user is assigned to; empty for all.

    Raises:
        UsageError: the name is taken or invalid, or the file cannot be written.
    """
    from review_ui.users import new_user, read_users, valid_name

    name = valid_name(name) or name
    if users.exists() and name in read_users(users, may_be_empty=True):
        raise UsageError(f"{users} already has an entry for {name}; delete the entry to make a new token")
    token, lines = new_user(name, role, generators=generators, queues=queues)
    try:
        users.touch(mode=0o600)
        begin = "\n" if users.read_bytes()[-1:] not in (b"", b"\n") else ""  # editors may leave the last line open
        with users.open("a", encoding="utf-8") as file:
            file.write(f"{begin}{lines}\n")
    except OSError as error:
        raise UsageError(f"cannot write to {users}: {error.strerror}") from None
    text = f"{name} ({role}) signs in with the token\n\n  {token}\n\nIt is shown only once; {users} holds its hash."
    return Outcome(summary={"name": name, "role": role, "token": token}, text=text)
