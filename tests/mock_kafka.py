"""librdkafka's mock cluster: a broker without Java that answers with the errors it is told to.

It comes inside the wheel of `confluent-kafka` and is reached by ctypes, because its Python module
does not offer it. It takes any sequence of records, so what a broker thinks of a gap is not seen.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.metadata import files
from pathlib import Path
from typing import Any

PRODUCE, FETCH, LIST_OFFSETS, METADATA = 0, 1, 2, 3
OFFSET_COMMIT, OFFSET_FETCH, FIND_COORDINATOR = 8, 9, 10
JOIN_GROUP, HEARTBEAT, LEAVE_GROUP, SYNC_GROUP = 11, 12, 13, 14
INIT_PRODUCER_ID = 22
_PRODUCER = 0
# A real one waits three seconds for more members.
_JOIN_DELAY_MS = 0


@dataclass(frozen=True)
class MockKafka:
    """One mock cluster; `topic` is the first of its topics."""

    bootstrap_servers: str
    topic: str
    _library: Any
    _cluster: int

    def fail(self, api: int, code: int, times: int = 1) -> None:
        """Answer the next requests of an API with an error."""
        codes = (ctypes.c_int * times)(*[code] * times)
        self._library.rd_kafka_mock_push_request_errors_array(
            ctypes.c_void_p(self._cluster), ctypes.c_int16(api), ctypes.c_size_t(times), codes
        )

    def asked(self, api: int) -> int:
        """Count the requests of an API since the start."""
        count = ctypes.c_size_t()
        found = self._library.rd_kafka_mock_get_requests(
            ctypes.c_void_p(self._cluster), ctypes.byref(count)
        )
        keys = [self._library.rd_kafka_mock_request_api_key(found[n]) for n in range(count.value)]
        self._library.rd_kafka_mock_request_destroy_array(found, count)
        return keys.count(api)

    def down(self) -> None:
        """Close the broker's port and its connections."""
        self._library.rd_kafka_mock_broker_set_down(ctypes.c_void_p(self._cluster), 1)

    def up(self) -> None:
        """Open it again."""
        self._library.rd_kafka_mock_broker_set_up(ctypes.c_void_p(self._cluster), 1)


@contextmanager
def mock_kafka(partitions: int = 2, topic: str = "t", *others: str) -> Iterator[MockKafka]:
    """Run a cluster of one broker until the test is over."""
    library = _library()
    reason = ctypes.create_string_buffer(512)
    conf = library.rd_kafka_conf_new()
    client = library.rd_kafka_new(_PRODUCER, ctypes.c_void_p(conf), reason, len(reason))
    assert client, reason.value
    cluster = library.rd_kafka_mock_cluster_new(ctypes.c_void_p(client), 1)
    try:
        address = library.rd_kafka_mock_cluster_bootstraps(ctypes.c_void_p(cluster)).decode()
        for name in (topic, *others):
            library.rd_kafka_mock_topic_create(
                ctypes.c_void_p(cluster), name.encode(), ctypes.c_int(partitions), ctypes.c_int(1)
            )
        library.rd_kafka_mock_group_initial_rebalance_delay_ms(
            ctypes.c_void_p(cluster), ctypes.c_int32(_JOIN_DELAY_MS)
        )
        library.rd_kafka_mock_start_request_tracking(ctypes.c_void_p(cluster))
        yield MockKafka(address, topic, library, cluster)
    finally:
        library.rd_kafka_mock_cluster_destroy(ctypes.c_void_p(cluster))
        library.rd_kafka_destroy(ctypes.c_void_p(client))


@cache
def _library() -> Any:
    packed = files("confluent-kafka") or []
    (path,) = (one.locate() for one in packed if one.parent.name.endswith("libs"))
    library = ctypes.CDLL(str(Path(str(path))))
    library.rd_kafka_conf_new.restype = ctypes.c_void_p
    library.rd_kafka_new.restype = ctypes.c_void_p
    library.rd_kafka_mock_cluster_new.restype = ctypes.c_void_p
    library.rd_kafka_mock_cluster_bootstraps.restype = ctypes.c_char_p
    library.rd_kafka_mock_get_requests.restype = ctypes.POINTER(ctypes.c_void_p)
    library.rd_kafka_mock_request_api_key.argtypes = [ctypes.c_void_p]
    library.rd_kafka_mock_request_api_key.restype = ctypes.c_int16
    return library
