"""What more replicas and more rows come to."""

from __future__ import annotations

import msgspec

from bench.report import sheets
from bench.scaling import growth
from bench.scaling.growth import Made, Told, Weighed, Worked, account, costs_of
from tests.unit.bench.made import MACHINE

PROCESSES = ("ingest", "normalize", "decorate", "sink", "kafka", "postgres", "jaeger")
WEIGHED = Weighed(
    batch=100, http_bytes=185.0, copied_us=1.5, spans_per_request=14.0, bytes_per_span=400.0
)


def worked(
    number: int, *, replicas: int = 1, stored: int = 0, took_s: float = 2.0, us: float = 5.0
) -> Worked:
    return Worked(
        made=Made(number, replicas, stored),
        events=100_000,
        took_s=took_s,
        cpu_us=dict.fromkeys(PROCESSES, us),
        rss_mib={},
        log_bytes={"events.raw": 10 * us},
        table_bytes=400.0,
        wal_bytes=600.0,
    )


def told(by_replicas: list[Worked], by_size: list[Worked] | None = None) -> Told:
    return Told(
        machine=MACHINE,
        rounds=3,
        batch=100,
        by_replicas=by_replicas,
        by_size=by_size or [],
        costs=costs_of(by_replicas, WEIGHED),
    )


def test_runs_of_as_many_replicas_come_to_one_line() -> None:
    runs = [worked(n, replicas=r, took_s=2 * r) for n in (1, 2) for r in (4, 1)]

    text = sheets.markdown(account(told(runs)))
    assert "| 1 | 50.0 | 20.0 | 5.0 |" in text
    assert "| 4 | 12.5 | 20.0 | 5.0 |" in text


def test_rounds_on_top_of_each_other_belong_to_the_size_they_began_with() -> None:
    sizes = [(100_000, 1), (300_000, 2), (500_000, 3), (1_000_000, 1), (1_200_000, 2)]
    runs = [worked(number, stored=stored) for stored, number in sizes]

    text = sheets.markdown(account(told([worked(1)], runs)))
    assert "| 100,000 | 50.0 |" in text
    assert "| 1,000,000 | 50.0 |" in text
    assert "300,000" not in text


def test_time_that_does_not_stay_flat_is_told() -> None:
    flat = told([worked(1), worked(1, replicas=4, us=5.4)])
    steep = told([worked(1), worked(1, replicas=4, us=5.6)])

    assert not [text for text in growth.remarks(flat) if "not flat" in text]
    (text,) = (text for text in growth.remarks(steep) if "not flat" in text)
    assert "from 20.0 to 22.4 µs" in text


def test_the_cost_of_an_event_is_the_median_of_the_runs() -> None:
    found = costs_of([worked(n, us=us) for n, us in enumerate((4.0, 5.0, 9.0))], WEIGHED)

    assert found.cpu_us["sink"] == 5
    assert found.log_bytes == {"events.raw": 50}
    assert (found.batch, found.http_bytes, found.bytes_per_span) == (100, 185, 400)


def test_a_script_can_read_it() -> None:
    read = msgspec.json.decode(msgspec.json.encode(told([worked(1)], [worked(1)])), type=Told)

    assert read == told([worked(1)], [worked(1)])


def test_what_was_measured_before_an_early_end_is_told_without_costs() -> None:
    early = msgspec.structs.replace(told([worked(1)]), costs=None)

    text = sheets.markdown(account(early))
    assert "As replicas of normalize" in text
    assert "What one event takes" not in text
