"""What all checkers together say of a run."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.faults import checkers, times
from tests.faults.checkers import Finding
from tests.faults.ledger import Ledger
from tests.faults.observed import Observed
from tests.faults.record import Record

GREEN, RED, INVALID = "green", "red", "invalid"


@dataclass(slots=True)
class Verdict:
    """The result of one run; counts are of events."""

    verdict: str = GREEN
    acked: int = 0
    rejected: int = 0
    unknown: int = 0
    stored: int = 0
    dead_lettered: int = 0
    lost: int = 0
    doubled: int = 0
    faults: int = 0
    recovery_s: float | None = None
    worst_lag_s: float = 0.0
    # For each second of the load, how long it took until what was due then was stored.
    lag_curve_s: list[float] = field(default_factory=list[float])
    rss_mib_max: int = 0
    copies_again: dict[str, int] = field(default_factory=dict[str, int])
    findings: list[Finding] = field(default_factory=list[Finding])
    # Why the run proves nothing; empty if it does.
    invalid: list[str] = field(default_factory=list[str])


def judge(ledger: Ledger, observed: Observed, record: Record) -> Verdict:
    """Hold a run against its ledger and its record."""
    seen = _seen(ledger, observed)
    recovery_s = _recovery_s(ledger, seen, record)
    findings = checkers.all_findings(ledger, observed)
    findings += [_time(record, recovery_s), _resources(record), _conduct(record)]
    verdict = Verdict(
        acked=len(ledger.of("acked")),
        rejected=len(ledger.of("rejected")),
        unknown=len(ledger.of("unknown")),
        stored=len(observed.rows),
        dead_lettered=len({dead.event_id for dead in observed.dead_letters()}),
        lost=findings[0].count,
        doubled=findings[1].count,
        faults=sum(bool(fault.proof) for fault in record.faults),
        recovery_s=recovery_s,
        worst_lag_s=times.worst_lag_us(seen) / 1e6,
        lag_curve_s=times.curve_s(seen, ledger.started_us),
        rss_mib_max=max((sample.rss_bytes for sample in record.samples), default=0) >> 20,
        copies_again=checkers.copies_again(observed),
        findings=[finding for finding in findings if finding.count],
    )
    verdict.invalid = _invalid(ledger, record, verdict)
    if verdict.findings:
        verdict.verdict = RED
    elif verdict.invalid:
        verdict.verdict = INVALID
    return verdict


def _invalid(ledger: Ledger, record: Record, verdict: Verdict) -> list[str]:
    """C10: the fault happened, and there was a load that it happened to."""
    found: list[str] = []
    limits = record.limits
    if not ledger.is_whole:
        found.append("the ledger has no end: the load was cut off")
    if verdict.acked < limits.acked_min:
        found.append(f"{verdict.acked:,} events were acked, {limits.acked_min:,} are needed")
    if verdict.faults < limits.faults_min:
        found.append(f"{verdict.faults} faults are proven, {limits.faults_min} are needed")
    found += [f"{fault.what} has no proof" for fault in record.faults if not fault.proof]
    return found


def _seen(ledger: Ledger, observed: Observed) -> list[tuple[int, int]]:
    entries = ledger.entries
    return [
        (entries[row.event_id].due_us, row.stored_us)
        for row in observed.rows
        if row.event_id in entries
    ]


def _recovery_s(ledger: Ledger, seen: list[tuple[int, int]], record: Record) -> float | None:
    """The slowest recovery from any of the faults that are judged.

    One that the load did not see to its end lasts until the last of what it sent is stored.
    """
    judged = [fault for fault in record.faults if not fault.is_followed]
    if not judged or not seen:
        return None
    ended_us = max(entry.due_us for entry in ledger.entries.values())
    rest_us = max(stored for _due, stored in seen)
    slowest = 0
    for fault in judged:
        took_us = times.recovered_us(seen, fault.cleared_us, ended_us)
        slowest = max(slowest, rest_us - fault.cleared_us if took_us is None else took_us)
    return slowest / 1e6


def _time(record: Record, recovery_s: float | None) -> Finding:
    finding = Finding("C8 time")
    limit_s = record.limits.recovery_s
    if limit_s and recovery_s is not None and recovery_s > limit_s:
        finding.add(f"recovery took {recovery_s:.1f} s, the limit is {limit_s:g} s")
    return finding


def _resources(record: Record) -> Finding:
    finding = Finding("C9 resources")
    limits = record.limits
    for sample in record.samples:
        who = f"{sample.process} ({sample.pid})"
        if sample.rss_bytes > limits.rss_bytes_max:
            finding.add(f"{who} held {sample.rss_bytes >> 20} MiB")
        if sample.files > limits.files_max:
            finding.add(f"{who} held {sample.files} files")
    return finding


def _conduct(record: Record) -> Finding:
    finding = Finding("conduct")
    for complaint in record.complaints:
        finding.add(complaint)
    return finding
