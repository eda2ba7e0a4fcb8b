"""Audit: report what a careful reviewer would object to in the data set, with figures and the commands that fix it."""

import dataclasses
import re
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from shlex import quote
from typing import Any

import pandas as pd
import pyarrow as pa

from hfv_builder.audit.agreement import agreement
from hfv_builder.audit.diversity import diversity
from hfv_builder.audit.finding import Area, Finding, Report, Severity
from hfv_builder.audit.labels import labels
from hfv_builder.audit.leakage import NEAR, leakage
from hfv_builder.audit.media import media
from hfv_builder.audit.other_labels import matched, read_labels
from hfv_builder.audit.page import page, verdict
from hfv_builder.audit.people import people as find_people
from hfv_builder.audit.shortcuts import shortcuts
from hfv_builder.audit.topics import load_topics
from hfv_builder.people.registry import lack
from hfv_builder.people.specs import DETECTORS
from hfv_builder.records import UsageError
from hfv_builder.release.layout import tables_of
from hfv_builder.storage.manifest import Manifests
from hfv_builder.storage.places import Place, put, read, remove, writable
from hfv_builder.storage.schema import AUDIT
from hfv_builder.wording import counted
from pipelines.audit.gather import clips_table, scores_of_other_profiles
from pipelines.audit.near import groups_of_clips, mean_embeddings
from pipelines.audit.released import released_clips
from pipelines.audit.signals import complete_signals
from pipelines.audit.thumbnails import pictures_of
from pipelines.audit.topics import MODEL, topics_of_clips
from pipelines.generators import catalogued, lost_clips
from pipelines.outcome import Outcome, paragraphs, table
from pipelines.person_run import person_run
from pipelines.workers.cluster import LOCAL, Cluster

PAGE = "audit.html"
LISTS = "audit-clips"
LIST = "LIST"
"""Placeholder in an advice for the path of the list of the finding's clips."""
SHOWN_PAIRS = 6


def audit(
    manifests: Manifests,
    generators: Sequence[str] = (),
    *,
    against: Place | None = None,
    release: Path | None = None,
    topics: Place | None = None,
    people: str | None = None,
    retry_failed: bool = False,
    cluster: Cluster = LOCAL,
) -> Outcome:
    """Write the findings on the clips of these generators, or of all, to the `audit` manifest and to `audit.html`.

    Args:
        against: a CSV file with labels of others to compare with.
        release: the folder of a release whose files are also examined.
        topics: a TOML file with activities and backgrounds; None takes those of the package.
        people: the person detector that scores all clips; None takes the light one, for clips without a score.
        retry_failed: try clips again whose signals could not be computed.

    Raises:
        UsageError: there are no clips, or a file cannot be read.
    """
    started = time.time()
    words = load_topics(None if topics is None else _text(topics), str(topics))
    theirs = None if against is None else read_labels(_text(against), str(against))
    if release is not None:
        tables_of(release)  # signals may take hours
    names = list(dict.fromkeys(generators or catalogued(manifests)))
    lost = lost_clips(manifests)
    detector = person_run(people)
    computed = sum(
        complete_signals(manifests, name, lost, cluster, retry_failed=retry_failed, people=detector) for name in names
    )
    clips = clips_table(manifests, names)
    if clips.empty:
        raise UsageError(f"{manifests.root} has no readable clip: run `hfv catalog --generator G --clips DIR`")
    released = None if release is None else released_clips(release, clips)
    ids = clips["clip_id"].tolist()
    embeddings = mean_embeddings(manifests, ids)
    groups, pairs = groups_of_clips(manifests, ids, embeddings)
    clips[NEAR] = clips["clip_id"].map(groups)
    reports = [
        shortcuts(clips, released),
        leakage(clips, pairs),
        labels(clips, scores_of_other_profiles(manifests, clips)),
        agreement(clips, _matched(theirs, clips), str(against)),
        diversity(clips, words, topics_of_clips(embeddings.get(MODEL), words)),
        find_people(clips, None if detector else lack(next(iter(DETECTORS)))),
        media(clips),
    ]
    of_area = {report.area: report.data for report in reports}
    with manifests.lock("audit"):
        reports = [_listed(manifests, report) for report in reports]
        findings = [finding for report in reports for finding in report.findings]
        _remove_old_lists(manifests, findings)
        manifests.replace(AUDIT, [_table(findings)])
        shown = [
            *pairs.head(SHOWN_PAIRS)[["first", "second"]].to_numpy().ravel(),
            *of_area[Area.PEOPLE].get("least", ()),
        ]
        images = pictures_of(clips, shown)
        path = manifests.root / PAGE
        put(path, page(reports, clips, images, str(manifests.root)))
    return _outcome(manifests, findings, clips, computed, path, started)


def _text(path: Place) -> str:
    try:
        return read(path).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {error}") from None


def _matched(theirs: dict[str, int] | None, clips: pd.DataFrame) -> dict[str, int] | None:
    return None if theirs is None else matched(theirs, zip(clips["clip_id"], clips["path"], strict=True))


def _listed(manifests: Manifests, report: Report) -> Report:
    """Write the clips of findings that need an action as lists, and name the lists in their advice."""
    findings = []
    for finding in report.findings:
        if _has_a_list(finding):
            path = writable(manifests.root / LISTS) / _list_name(finding.finding, finding.subject)
            put(path, "".join(f"{clip_id}\n" for clip_id in finding.clips))
            advice = re.sub(rf"\b{LIST}\b", quote(str(path)).replace("\\", "\\\\"), finding.advice)
            finding = dataclasses.replace(finding, advice=advice)
        findings.append(finding)
    return dataclasses.replace(report, findings=tuple(findings))


def _has_a_list(finding: Finding) -> bool:
    return bool(finding.clips) and finding.severity is not Severity.OK


def _list_name(finding: str, subject: str) -> str:
    subject = subject.replace(": ", "--")  # no two subjects have one name
    return re.sub(r"[^a-z0-9._-]+", "-", f"{finding} {subject}".lower()) + ".txt"


def _remove_old_lists(manifests: Manifests, findings: Sequence[Finding]) -> None:
    """Remove the lists of the last audit that these findings do not have."""
    try:
        before = {_list_name(row["finding"], row["subject"]) for row in manifests.read(AUDIT).to_pylist()}
    except UsageError:  # this audit replaces the damaged manifest
        return
    for name in before - {_list_name(each.finding, each.subject) for each in findings if _has_a_list(each)}:
        remove(manifests.root / LISTS / name)


def _table(findings: Sequence[Finding]) -> pa.Table:
    rows = []
    for finding in findings:
        found = finding.estimate
        rows.append(
            {
                "finding": finding.finding,
                "area": finding.area.value,
                "subject": finding.subject,
                "value": found and found.value,
                "low": found and found.low,
                "high": found and found.high,
                "severity": finding.severity.value,
                "advice": finding.advice or None,
            }
        )
    return pa.Table.from_pylist(rows, AUDIT.schema)


def _outcome(
    manifests: Manifests, findings: Sequence[Finding], clips: pd.DataFrame, computed: int, path: Place, started: float
) -> Outcome:
    counts = Counter(finding.severity for finding in findings)
    bad = sorted(
        (each for each in findings if each.severity.rank >= Severity.NOTE.rank), key=lambda each: -each.severity.rank
    )
    rows = [{"severity": each.severity.value, "area": each.area.value, "finding": each.says} for each in bad]
    summary: dict[str, Any] = {
        "verdict": verdict(findings),
        "clips": len(clips),
        "computed": computed,
        "severities": {severity.value: counts[severity] for severity in Severity},
        "report": str(path),
        "manifests": str(manifests.root),
        "findings": _table(findings).to_pylist(),
    }
    note = f"signals of {counted(computed, 'clip')} were computed; scored clips have them already" if computed else ""
    text = paragraphs(verdict(findings), table(rows, limit=20), note, f"report: {path}")
    return Outcome(summary=summary, text=text, started=started)
