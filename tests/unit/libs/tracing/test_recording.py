"""The fields by which a line of the log says of which span it is."""

from __future__ import annotations

import pytest

from libs.tracing import carried_ids

TRACE_ID, SPAN_ID = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.mark.parametrize("flags", ["00", "01"])
def test_a_line_names_the_span_that_a_record_names(flags: str) -> None:
    assert carried_ids(f"00-{TRACE_ID}-{SPAN_ID}-{flags}") == {
        "trace_id": TRACE_ID,
        "span_id": SPAN_ID,
        "trace_flags": flags,
    }


@pytest.mark.parametrize("traceparent", ["", "junk", f"00-{'0' * 32}-{SPAN_ID}-01"])
def test_a_line_names_no_span_where_the_record_names_none(traceparent: str) -> None:
    assert carried_ids(traceparent) == {}
