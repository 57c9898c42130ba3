"""The few forms of the protobuf wire format that a span is made of, written straight into bytes.

What comes again and again, such as a topic's name under its key, is kept as it was encoded.
https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from functools import lru_cache

from opentelemetry.util.types import AnyValue

# Of what is kept; longer text and larger numbers do not come again often enough for their room.
_KEPT_MAX = 4_096
_KEPT_BYTES_MAX = 256
_KEPT_INTS = 1_024
_KEYS_MAX = 512
_UINT64 = (1 << 64) - 1
_INT64 = 1 << 63

# Fields by their number and type, as AnyValue and KeyValue have them.
_KEY = b"\x0a"
_VALUE = b"\x12"
_STRING = b"\x0a"
_BOOL = b"\x10"
_INT = b"\x18"
_DOUBLE = b"\x21"
_DOUBLE_BYTES = 8
_ARRAY = b"\x2a"
_OF_ARRAY = b"\x0a"

_pack_double = struct.Struct("<d").pack


def varint(number: int) -> bytes:
    """Encode a number from 0 to 2^64 - 1."""
    return _VARINTS[number] if number < _VARINTS_MAX else _varint(number)


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


# Lengths, mostly: of a span, and of all within it.
_VARINTS_MAX = 2_048
_VARINTS = tuple(_varint(number) for number in range(_VARINTS_MAX))


def field(tag: bytes, body: bytes) -> bytes:
    """Encode text, bytes or a message as a field; `tag` is its number and type."""
    return tag + varint(len(body)) + body


class Attributes:
    """Encodes attributes as fields of one message; `tag` is the field's number and type.

    Text is cut at `chars_max`.
    """

    def __init__(self, tag: bytes, chars_max: int) -> None:
        self._tag = tag
        self._chars_max = chars_max
        self._kept: dict[tuple[str, str | int], bytes] = {}
        self._before_doubles: dict[str, bytes] = {}

    def encode(self, attributes: Mapping[str, AnyValue]) -> bytes:
        """Encode them, one field after the other.

        Raises `TypeError` for what is no attribute, `ValueError` for a number over 64 bits or for
        text that is not Unicode.
        """
        kept, before_doubles = self._kept, self._before_doubles
        parts: list[bytes] = []
        add = parts.append
        for key, value in attributes.items():
            # This is where most of an export's time goes: what comes again is only looked up.
            kind = type(value)
            if kind is str or kind is int:
                add(kept.get((key, value)) or self._keep(key, value))  # pyright: ignore[reportArgumentType]
            elif kind is float:
                add(before_doubles.get(key) or self._before_double(key))
                add(_pack_double(value))  # pyright: ignore[reportArgumentType]
            else:
                add(self._attribute(key, _any(value, self._chars_max)))
        return b"".join(parts)

    def _keep(self, key: str, value: str | int) -> bytes:
        encoded = self._attribute(key, _any(value, self._chars_max))
        if len(encoded) <= _KEPT_BYTES_MAX and (isinstance(value, str) or value < _KEPT_INTS):
            if len(self._kept) >= _KEPT_MAX:
                self._kept.clear()
            self._kept[key, value] = encoded
        return encoded

    def _before_double(self, key: str) -> bytes:
        if len(self._before_doubles) >= _KEYS_MAX:
            self._before_doubles.clear()
        whole = self._attribute(key, _DOUBLE + bytes(_DOUBLE_BYTES))
        self._before_doubles[key] = whole[:-_DOUBLE_BYTES]
        return self._before_doubles[key]

    def _attribute(self, key: str, value: bytes) -> bytes:
        return field(self._tag, _key(key) + field(_VALUE, value))


def _any(value: AnyValue, chars_max: int) -> bytes:
    if isinstance(value, str):
        return field(_STRING, value[:chars_max].encode())
    if isinstance(value, bool):
        return _BOOL + varint(value)
    if isinstance(value, int):
        return _INT + varint(_two_s_complement(value))
    if isinstance(value, float):
        return _DOUBLE + _pack_double(value)
    if isinstance(value, (tuple, list)):
        return field(_ARRAY, b"".join(field(_OF_ARRAY, _any(one, chars_max)) for one in value))
    raise TypeError(f"an attribute is a {type(value).__name__}; make it text or a number")


def _two_s_complement(number: int) -> int:
    if not -_INT64 <= number < _INT64:
        raise ValueError("an attribute is a number of more than 64 bits")
    return number & _UINT64


@lru_cache(maxsize=_KEYS_MAX)
def _key(key: str) -> bytes:
    return field(_KEY, key.encode())
