"""Review labels in the browser: start the server, export its decisions, and make users for it."""

import gc
import sys
from collections.abc import Sequence
from pathlib import Path

from hfv_builder.records import UsageError
from hfv_builder.storage.manifest import Manifests
from pipelines.outcome import Outcome
from pipelines.score.old_scores import bring_up_to_date, old_generators


def database(manifests: Manifests, db: Path | None = None) -> Path:
    """Where the decisions are kept, unless somebody says otherwise."""
    return db or manifests.local_root / "review" / "decisions.sqlite"


def destination(manifests: Manifests, db: Path | None = None, into: Manifests | None = None) -> Manifests:
    """Where decisions are exported: `into`, else the manifests; those of another database beside it.

    A database that somebody names may be that of a trial, whose decisions must not become real votes unasked.
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
    db: Path | None = None,
    into: Manifests | None = None,
    names: Sequence[str] = (),
    verbose: bool = False,
) -> Outcome:
    """Serve the app until it is stopped, then export the decisions.

    Args:
        users: who may sign in, in a file that is read again when it changes; must be given for any address that other
            machines reach.
        db: the database of the decisions; None takes the one of the manifests.
        into: where to export; None leaves it to `destination`.
        names: further names by which browsers call the server, such as that of a proxy in front of it.

    Raises:
        UsageError: the address is open to others and no users are given, or something cannot be read.
    """
    import uvicorn

    from review_ui.app import create_app
    from review_ui.guard import is_loopback, names_of
    from review_ui.settings import load_settings
    from review_ui.users import ADVICE, UsersFile

    known = None if users is None else UsersFile(users)
    if known is None and not is_loopback(host):
        raise UsageError(
            f"other machines can reach {host}: give --users FILE, so that only reviewers sign in; {ADVICE}"
        )
    with manifests.lock("review"):
        bring_up_to_date(manifests, old_generators(manifests))
        app = create_app(
            manifests,
            database(manifests, db),
            settings=load_settings(settings, overlap=overlap),
            users=known,
            hosts=(*names_of(host), *names),
            into=destination(manifests, db, into),
        )
        # The manifests stay for good; looking through them for garbage would make somebody wait now and then.
        gc.freeze()
        config = uvicorn.Config(
            app,
            host=host,
            port=port,
            log_level="info" if verbose else "warning",
            server_header=False,
            ws="none",
            timeout_graceful_shutdown=5,
        )
        url = f"http://{f'[{host}]' if ':' in host else host}:{port}"
        print(f"reviewing {manifests.root} at {url} (Ctrl-C stops it and exports)", file=sys.stderr)
        try:
            uvicorn.Server(config).run()
        except KeyboardInterrupt:
            pass  # the server has stopped and exported; uvicorn passes on what stopped it
        except SystemExit:
            raise UsageError(f"nothing can listen at {host}:{port}; choose another with --port N") from None
    return export_reviews(manifests, db=db, into=into)


def export_reviews(
    manifests: Manifests, *, db: Path | None = None, into: Manifests | None = None, overlap: int | None = None
) -> Outcome:
    """Write the decisions to the `reviews` manifest, and the final labels that they make to `final`.

    Args:
        db: the database of the decisions; None takes the one of the manifests.
        into: where to export; None leaves it to `destination`.
        overlap: how many votes a clip needs; None takes what the review was set to.

    Raises:
        UsageError: there is no database, or it cannot be read.
    """
    from review_ui.exports import export
    from review_ui.store import DecisionLog

    path = database(manifests, db)
    if not path.is_file():
        raise UsageError(f"nothing has been reviewed yet: there is no {path}; start with `hfv review`")
    store = DecisionLog(path)
    try:
        target = destination(manifests, db, into)
        rows = export(store, manifests, target, overlap=overlap)
    finally:
        store.close()
    word = "decision" if rows == 1 else "decisions"
    text = f"{rows} {word} in {target.root}/reviews, final labels in {target.root}/final"
    if target.root != manifests.root:
        cure = f"`hfv reviews export --db {path} --into {manifests.root}`"
        text += f"\nthey are not in {manifests.root}; to count them there, run {cure}"
    return Outcome(summary={"decisions": rows, "database": str(path), "manifests": str(target.root)}, text=text)


def add_user(name: str, users: Path, *, role: str = "reviewer") -> Outcome:
    """Add a user to the users file and say their token, which is kept nowhere.

    Raises:
        UsageError: the name is taken or will not do, or the file cannot be written.
    """
    from review_ui.users import new_user, read_users

    if users.exists() and users.stat().st_size and name in read_users(users):
        raise UsageError(f"{users} has a {name} already; delete that entry to give them a new token")
    token, lines = new_user(name, role)
    try:
        users.touch(mode=0o600)
        with users.open("a") as file:
            file.write(f"{lines}\n")
    except OSError as error:
        raise UsageError(f"cannot write to {users}: {error.strerror}") from None
    text = f"{name} ({role}) signs in with the token\n\n  {token}\n\nIt is shown only now; {users} holds its hash."
    return Outcome(summary={"name": name, "role": role, "token": token}, text=text)
