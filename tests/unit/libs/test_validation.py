from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given, settings, strategies as st

from libs import validation
from libs.validation import SentEvent, Violation

ID = "0190b5c8-6b7e-7c3a-9d3e-2f1a5b6c7d8e"
OTHER_ID = "0190b5c8-6b7e-7c3a-9d3e-2f1a5b6c7d8f"

typed = msgspec.json.Decoder(SentEvent)
untyped = msgspec.json.Decoder(float_hook=float)

hostile = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
    | st.sampled_from([ID, "2026-01-02T03:04:05Z", "name", "value"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["name", "value", "a", "attributes"]), inner, max_size=3)
    ),
    max_leaves=8,
)
event_like = st.fixed_dictionaries(
    {"name": st.just("cpu") | hostile, "value": st.just(1.5) | hostile},
    optional={field: hostile for field in ("event_id", "unit", "timestamp", "attributes", "other")},
)


def is_valid_typed(encoded: bytes) -> bool:
    try:
        event = typed.decode(encoded)
    except msgspec.ValidationError:
        return False
    look = validation.may_hold_controls(encoded)
    return validation.are_valid([event], look_for_controls=look)


@given(event_like)
@settings(deadline=None, max_examples=200)
def test_the_quick_way_and_the_full_way_agree(event: dict[str, object]) -> None:
    # Infinity is no JSON, but a number that is read as infinite is.
    encoded = json.dumps(event).replace("NaN", "0").replace("Infinity", "1e999").encode()
    found = list(validation.violations([untyped.decode(encoded)]))

    assert is_valid_typed(encoded) == (found == [])


@given(st.text(st.characters(exclude_categories=["Cs"])), st.booleans())
@settings(deadline=None)
def test_json_that_may_not_hold_controls_holds_none(text: str, is_ascii: bool) -> None:
    encoded = json.dumps(text, ensure_ascii=is_ascii).encode()

    is_clean = all(char >= " " and char != "\x7f" for char in text)
    assert is_clean or validation.may_hold_controls(encoded)


@pytest.mark.parametrize(
    ("ids", "are_fine"),
    [
        ([], True),
        ([None, None], True),
        ([ID, OTHER_ID, None], True),
        ([ID, ID], False),
        ([ID, ID.upper()], False),
        ([ID, "x" * 36], False),
        ([ID[:-1] + "-", "-" + ID[1:]], False),
        ([ID.replace("8-", "-8", 1)], False),
        ([ID[:-2] + "  "], False),
        ([ID[:-1] + "\u0663"], False),
    ],
)
def test_ids_are_uuids_and_each_stands_once(ids: list[str | None], are_fine: bool) -> None:
    events = [SentEvent("cpu", 1.0, event_id) for event_id in ids]

    assert validation.are_valid(events, look_for_controls=False) == are_fine


def test_a_field_of_any_length_is_named_within_bounds() -> None:
    (found,) = validation.violations([{"name": "cpu", "value": 1, "x" * 10_000: 1}])

    assert found == Violation(0, "x" * 128, "is not a field of an event")
