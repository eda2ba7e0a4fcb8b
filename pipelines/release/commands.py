"""`hfv release`: which of its actions is asked for."""

import argparse
from shlex import quote

from hfv_builder.records import UsageError
from hfv_builder.release.name import ReleaseName
from hfv_builder.release.operations import variants_of
from hfv_builder.release.settings import FILE, template
from hfv_builder.storage.manifest import Manifests
from hfv_builder.storage.places import put, writable
from pipelines.outcome import Outcome
from pipelines.release.arguments import OUT
from pipelines.workers.cluster import Cluster

ON_A_RELEASE = {"verify": "check", "attach": "attach clips to", "push": "push"}
"""What can be done with a release that is there."""
OPTIONS: dict[str, dict[str, object]] = {
    "NAME": {
        "version": None,
        "out": OUT,
        "media": "original",
        "variants": None,
        "format": "folder",
        "allow_lite": False,
        "settings": None,
    },
    "attach": {"clips": None},
    "push": {"to": None, "private": False},
}
"""The options of each action, with their defaults; the others have none of their own."""


def run(manifests: Manifests, options: argparse.Namespace, cluster: Cluster) -> Outcome:
    """Do what the arguments ask for.

    Raises:
        UsageError: they do not go together.
    """
    _refuse_options_of_others(options)
    if options.what in ON_A_RELEASE:
        return _with_release(options, cluster)
    if options.folder is not None:
        raise UsageError(
            f"{options.what} takes no folder: did you mean `hfv release verify {quote(str(options.folder))}`?"
        )
    if options.what == "init":
        return init(manifests)
    if options.version is None:
        raise UsageError(f"give the version of {options.what}: `hfv release {options.what} --version 1.0.0`")
    name = ReleaseName(name=options.what, version=options.version)
    variants = variants_of(options.variants or "")
    from pipelines.release.stage import release

    return release(
        manifests,
        name,
        out=options.out,
        media=options.media,
        variants=variants,
        sharded=options.format == "webdataset",
        allow_lite=options.allow_lite,
        settings=options.settings,
        cluster=cluster,
    )


def _refuse_options_of_others(options: argparse.Namespace) -> None:
    own = options.what if options.what in {*ON_A_RELEASE, "init"} else "NAME"
    for action, names in OPTIONS.items():
        for name, default in names.items():
            if action != own and getattr(options, name) != default:
                option = name.replace("_", "-")
                raise UsageError(f"--{option} belongs to `hfv release {action}`, not to `hfv release {own}`")


def _with_release(options: argparse.Namespace, cluster: Cluster) -> Outcome:
    """Do what the arguments ask for with a release that is there."""
    folder, what = options.folder, options.what
    if folder is None:
        raise UsageError(f"name the release to {ON_A_RELEASE[what]}: `hfv release {what} DIR`")
    if what == "verify":
        from pipelines.release.verify import verify

        return verify(folder, threads=options.workers)
    if what == "attach":
        if not options.clips:
            raise UsageError("name the folder with the clips: `hfv release attach DIR --clips DIR`")
        from pipelines.release.attach import attach

        return attach(folder.absolute(), options.clips, cluster=cluster)
    if options.to is None:
        raise UsageError("name the repository: `hfv release push DIR --to someone/my-set`")
    from pipelines.release.push import push

    return push(folder.absolute(), options.to, private=options.private)


def init(manifests: Manifests) -> Outcome:
    """Write a release.toml to fill in, unless there is one.

    Raises:
        UsageError: there is one.
    """
    path = writable(manifests.root) / FILE
    if path.exists():
        raise UsageError(f"{path} is there already: edit it, or move it away first")
    put(path, template())
    text = f"fill in {path}; next: hfv release NAME --version 1.0.0"
    return Outcome(summary={"settings": str(path)}, text=text)
