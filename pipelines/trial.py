"""`hfv weights try`: check what the models of a profile compute, and compare this machine's scores with another's."""

from pathlib import Path

from tabulate import tabulate
from tqdm import tqdm

from hfv_builder.backends import registry
from hfv_builder.backends.weights import WeightsDir
from hfv_builder.profiles.profile import Profile, for_device
from hfv_builder.records import DONE, SOME_FAILED, UsageError
from hfv_builder.trial import certificate
from hfv_builder.trial.certificate import Certificate, Comparison
from hfv_builder.trial.check import Check, table
from hfv_builder.trial.models import check_models
from hfv_builder.wording import counted
from pipelines.device import chosen_device
from pipelines.environment import environment
from pipelines.outcome import Outcome, paragraphs


def try_weights(
    profile: Profile,
    *,
    store: WeightsDir,
    device: str | None = None,
    record: Path | None = None,
    trusted: Path | None = None,
) -> Outcome:
    """Check the learnt models of a profile on rendered scenes; if asked, record or compare the scores of this machine.

    Args:
        profile: the profile.
        store: the directory of the weights.
        device: `cpu` or `cuda`; None chooses the GPU if there is one.
        record: where to write this machine's certificate.
        trusted: the certificate of another machine to compare with.

    Returns:
        The outcome; its exit code is 3 if a check fails or scores differ by more than the tolerance.

    Raises:
        UsageError: packages or weights are missing, weights are damaged, there is no GPU, or a certificate cannot be
            used.
    """
    other = certificate.read(trusted) if trusted else None
    if other and other.profile != profile.name:
        raise UsageError(f"the certificate is of profile {other.profile}, not {profile.name}: give --profile")
    device = chosen_device(device)
    profile = for_device(profile, device)
    checks: list[Check] = []
    with tqdm(check_models(profile, device, store), desc="checks", unit="check", leave=False, disable=None) as progress:
        checks.extend(progress)
    failed = [check for check in checks if not check.passed]
    summary = {
        "profile": profile.name,
        "device": device,
        "checks": [_row(check) for check in checks],
        "failed": len(failed),
    }
    texts = [table(checks) if checks else f"{profile.name} has no learnt models to check", _advice(failed)]
    code = SOME_FAILED if failed else DONE
    if record or other:
        own = certificate.certify(
            registry.resolve(profile, device=device, store=store),
            dict(environment(profile.decoder, device)),
            store=store,
            shown=lambda specs: tqdm(list(specs), desc="scores", unit="clip", leave=False, disable=None),
        )
        if other:
            rows, changed = certificate.compare(own, other), certificate.changed_labels(own, other)
            texts.append(_compared(rows, changed, own, other))
            summary |= {"comparison": [_compared_row(row) for row in rows], "changed_labels": changed}
            code = SOME_FAILED if not all(row.passed for row in rows) else code
        if record:
            certificate.write(own, record)
            texts.append(f"the certificate of this machine is in {record}")
            summary["certificate"] = str(record)
    return Outcome(summary=summary, text=paragraphs(*texts), exit_code=code)


def _row(check: Check) -> dict[str, object]:
    return {
        "model": check.model,
        "check": check.name,
        "value": check.value,
        "expected": check.expected,
        "passed": check.passed,
    }


def _advice(failed: list[Check]) -> str:
    """Return the probable causes, a line per model and cause."""
    if not failed:
        return ""
    lines = dict.fromkeys(f"{check.model}: {check.advice}" for check in failed)
    return "\n".join([f"{counted(len(failed), 'check')} failed; do not use scores of these models:", *lines])


def _compared_row(row: Comparison) -> dict[str, object]:
    return {
        "metric": row.metric.value,
        "difference": row.difference,
        "tolerance": row.tolerance,
        "rank_correlation": row.rank_correlation,
        "passed": row.passed,
    }


def _compared(rows: list[Comparison], changed: list[str], own: Certificate, other: Certificate) -> str:
    cells = [
        [
            row.metric.value,
            f"{100 * row.difference:.3g} %",
            f"≤ {100 * row.tolerance:g} %",
            f"{row.rank_correlation:.4f}",
            "ok" if row.passed else "FAILED",
        ]
        for row in rows
    ]
    headers = ["metric", "largest difference, of the range", "tolerance", "rank correlation", "verdict"]
    lines = [tabulate(cells, headers=headers, disable_numparse=True)]
    lines.append(f"labels that would change: {', '.join(changed) or 'none'}, of {counted(len(own.scores), 'clip')}")
    here, there = own.environment, other.environment
    differing = [
        f"{name} {here.get(name, 'none')} (certificate: {there.get(name, 'none')})"
        for name in sorted(here.keys() | there.keys())
        if here.get(name) != there.get(name)
    ]
    if own.fingerprints != other.fingerprints:
        differing.append("fingerprints of the scores: other weights, parameters or kind of device")
    lines.append(f"what differs: {'; '.join(differing) or 'nothing'}")
    return "\n".join(lines)
