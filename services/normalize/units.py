"""The units the pipeline knows, each with its base unit.

Symbols count as they are written, because case tells bits (`b`) from bytes (`B`) and milli (`m`)
from mega (`M`); words such as `Seconds` are known in any case. Base units are those of UCUM:
`s`, `By`, `1` (ratio), `Hz`, `Cel`, `m`, `g`, `V`, `A`, `W`, `J`, `Pa`. `KB` and `kB` are
1,000 bytes, `KiB` is 1,024; bits become bytes. A unit over a time, such as `KiB/s` or `req/min`,
becomes one over seconds. A unit that is not here is kept as it is, and so is its value.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

_UNITS_CACHED_MAX = 4_096
_BITS_PER_BYTE = 8.0


class Conversion(NamedTuple):
    """How a value gets to its base unit: `(value + shift) * times / over`.

    Factors below one are divisors, so that 7 ms is 0.007 s to the last bit.
    """

    base: str
    times: float = 1.0
    over: float = 1.0
    shift: float = 0.0

    def apply(self, value: float) -> float:
        """Convert a value; it may become infinite."""
        return (value + self.shift) * self.times / self.over


_DECIMAL = {"k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15}
_BINARY = {"Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30, "Ti": 2.0**40, "Pi": 2.0**50}
_FRACTION = {"m": 1e3, "u": 1e6, "µ": 1e6, "μ": 1e6, "n": 1e9}

_TIMES = {
    "s": Conversion("s"),
    "ms": Conversion("s", over=1e3),
    "us": Conversion("s", over=1e6),
    "µs": Conversion("s", over=1e6),
    # The Greek letter, as keyboards write it.
    "μs": Conversion("s", over=1e6),
    "ns": Conversion("s", over=1e9),
    "min": Conversion("s", times=60.0),
    "h": Conversion("s", times=3_600.0),
    "d": Conversion("s", times=86_400.0),
}

_RATIOS = {
    "1": Conversion("1"),
    "%": Conversion("1", over=1e2),
    "‰": Conversion("1", over=1e3),
    "ppm": Conversion("1", over=1e6),
    "ppb": Conversion("1", over=1e9),
}

_TEMPERATURES = {
    "Cel": Conversion("Cel"),
    "°C": Conversion("Cel"),
    "degC": Conversion("Cel"),
    "K": Conversion("Cel", shift=-273.15),
    "°F": Conversion("Cel", times=5.0, over=9.0, shift=-32.0),
    "degF": Conversion("Cel", times=5.0, over=9.0, shift=-32.0),
    "[degF]": Conversion("Cel", times=5.0, over=9.0, shift=-32.0),
}


def _scaled(base: str, up: str, down: str) -> dict[str, Conversion]:
    """The unit itself and its decimal multiples, each by its prefix."""
    multiples = {prefix + base: Conversion(base, times=_DECIMAL[prefix]) for prefix in up}
    parts = {prefix + base: Conversion(base, over=_FRACTION[prefix]) for prefix in down}
    return {base: Conversion(base), **multiples, **parts}


def _data() -> dict[str, Conversion]:
    """Bytes and bits with decimal prefixes (`k` also as `K`) and binary ones."""
    multiples = {"": 1.0, "K": 1e3, **_DECIMAL, **_BINARY}
    found: dict[str, Conversion] = {}
    for prefix, times in multiples.items():
        for symbol in ("B", "By"):
            found[prefix + symbol] = Conversion("By", times=times)
        for symbol in ("b", "bit"):
            found[prefix + symbol] = Conversion("By", times=times, over=_BITS_PER_BYTE)
    return found


_SYMBOLS: dict[str, Conversion] = {
    **_TIMES,
    **_RATIOS,
    **_TEMPERATURES,
    **_data(),
    **_scaled("Hz", up="kMGT", down="m"),
    **_scaled("m", up="k", down="mµun"),
    "cm": Conversion("m", over=1e2),
    **_scaled("g", up="k", down="mµu"),
    "t": Conversion("g", times=1e6),
    **_scaled("V", up="kM", down="mµu"),
    **_scaled("A", up="k", down="mµun"),
    **_scaled("W", up="kMG", down="mµu"),
    **_scaled("J", up="kMG", down="mµu"),
    "Wh": Conversion("J", times=3.6e3),
    "kWh": Conversion("J", times=3.6e6),
    "MWh": Conversion("J", times=3.6e9),
    **_scaled("Pa", up="kM", down="m"),
    "hPa": Conversion("Pa", times=1e2),
    "bar": Conversion("Pa", times=1e5),
    "mbar": Conversion("Pa", times=1e2),
}

# Words, without their plural `s`; in any case.
_WORDS: dict[str, str] = {
    "sec": "s",
    "second": "s",
    "millisecond": "ms",
    "msec": "ms",
    "microsecond": "us",
    "usec": "us",
    "nanosecond": "ns",
    "nsec": "ns",
    "minute": "min",
    "hr": "h",
    "hour": "h",
    "day": "d",
    "bit": "bit",
    "byte": "By",
    "kilobyte": "kB",
    "megabyte": "MB",
    "gigabyte": "GB",
    "terabyte": "TB",
    "kibibyte": "KiB",
    "mebibyte": "MiB",
    "gibibyte": "GiB",
    "tebibyte": "TiB",
    "ratio": "1",
    "percent": "%",
    "pct": "%",
    "hertz": "Hz",
    "celsius": "Cel",
    "fahrenheit": "degF",
    "kelvin": "K",
    "meter": "m",
    "metre": "m",
    "gram": "g",
    "volt": "V",
    "ampere": "A",
    "watt": "W",
    "joule": "J",
    "pascal": "Pa",
}

# Rates that are written in one word; no `rpm`, which as often means revolutions.
_RATES: dict[str, str] = {
    "bps": "bit/s",
    "kbps": "kbit/s",
    "Kbps": "kbit/s",
    "Mbps": "Mbit/s",
    "Gbps": "Gbit/s",
    "Bps": "By/s",
    "kBps": "kBy/s",
    "KBps": "kBy/s",
    "MBps": "MBy/s",
    "GBps": "GBy/s",
}


@lru_cache(maxsize=_UNITS_CACHED_MAX)
def conversion(unit: str) -> Conversion:
    """Find how to get from a unit to its base unit; one that is not known is its own base."""
    unit = _RATES.get(unit.strip(), unit.strip())
    known = _known(unit)
    if known is not None:
        return known
    above, slash, below = unit.rpartition("/")
    return (_rate(above.strip(), below.strip()) if slash else None) or Conversion(unit)


def _known(unit: str) -> Conversion | None:
    if unit in _SYMBOLS:
        return _SYMBOLS[unit]
    word = unit.lower()
    symbol = _WORDS.get(word) or _WORDS.get(word.removesuffix("s"))
    return _SYMBOLS[symbol] if symbol else None


def _rate(above: str, below: str) -> Conversion | None:
    """Convert a unit over a time; the unit itself need not be known, as in `req/min`."""
    per = _known(below)
    if per is None or per.base != "s":
        return None
    what = _known(above or "1") or Conversion(above)
    # A temperature's zero has no meaning in a rate.
    if what.shift or "/" in above:
        return None
    return Conversion(f"{what.base}/s", what.times * per.over, what.over * per.times)
