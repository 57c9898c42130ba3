from __future__ import annotations

import pytest
from hypothesis import given, settings, strategies as st

from services.normalize.units import conversion

KNOWN = [
    (7, "ms", 0.007, "s"),
    (250, "us", 0.00025, "s"),
    (250, "\u00b5s", 0.00025, "s"),
    (250, "\u03bcs", 0.00025, "s"),
    (3, "ns", 3e-9, "s"),
    (1.5, "min", 90, "s"),
    (2, "h", 7_200, "s"),
    (1, "d", 86_400, "s"),
    (3, "Seconds", 3, "s"),
    (3, "MILLISECOND", 0.003, "s"),
    (1, "B", 1, "By"),
    (1, "kB", 1_000, "By"),
    (1, "KB", 1_000, "By"),
    (2, "KiB", 2_048, "By"),
    (1, "MB", 1_000_000, "By"),
    (1, "MiB", 1_048_576, "By"),
    (1, "GiB", 1_073_741_824, "By"),
    (1, "TiB", 1_099_511_627_776, "By"),
    (16, "b", 2, "By"),
    (8, "kbit", 1_000, "By"),
    (8, "Mbit", 1_000_000, "By"),
    (3, "bytes", 3, "By"),
    (55, "%", 0.55, "1"),
    (7, "percent", 0.07, "1"),
    (5, "ppm", 0.000005, "1"),
    (0.5, "ratio", 0.5, "1"),
    (2.4, "GHz", 2.4e9, "Hz"),
    (50, "Hz", 50, "Hz"),
    (21, "°C", 21, "Cel"),
    (212, "degF", 100, "Cel"),
    (-40, "fahrenheit", -40, "Cel"),
    (273.15, "K", 0, "Cel"),
    (3, "km", 3_000, "m"),
    (25, "cm", 0.25, "m"),
    (7, "mm", 0.007, "m"),
    (2, "kg", 2_000, "g"),
    (5, "mV", 0.005, "V"),
    (20, "mA", 0.02, "A"),
    (2, "kW", 2_000, "W"),
    (2, "mW", 0.002, "W"),
    (2, "MW", 2_000_000, "W"),
    (1, "kWh", 3_600_000, "J"),
    (1_013, "hPa", 101_300, "Pa"),
    (4, "KiB/s", 4_096, "By/s"),
    (8, "Mbps", 1_000_000, "By/s"),
    (120, "req/min", 2, "req/s"),
    (120, "/min", 2, "1/s"),
    (36, "km / h", 10, "m/s"),
    (1, "By/ms", 1_000, "By/s"),
]


@pytest.mark.parametrize(("value", "unit", "converted", "base"), KNOWN)
def test_a_known_unit_becomes_its_base_unit(
    value: float, unit: str, converted: float, base: str
) -> None:
    to_base = conversion(unit)

    assert (to_base.apply(value), to_base.base) == (converted, base)


@pytest.mark.parametrize(
    "unit", ["furlong", "M", "kb/s/s", "req/furlong", "K/s", "rpm", "C", "/", "\U0001f600", "Ms"]
)
def test_an_unknown_unit_is_kept_with_its_value(unit: str) -> None:
    to_base = conversion(unit)

    assert (to_base.apply(1.25), to_base.base) == (1.25, unit)


def test_case_tells_bits_from_bytes_and_milli_from_mega() -> None:
    assert conversion("Kb").apply(8) == 1_000
    assert conversion("KB").apply(8) == 8_000
    assert conversion("mW").apply(1) == 0.001
    assert conversion("MW").apply(1) == 1_000_000


@given(st.sampled_from([unit for _, unit, _, _ in KNOWN]) | st.text(max_size=12))
@settings(deadline=None)
def test_a_base_unit_is_its_own_base(unit: str) -> None:
    base = conversion(unit).base

    again = conversion(base)

    assert (again.base, again.apply(1.25)) == (base, 1.25)
