# pyright: basic
"""What a producer does about each error a broker may answer a record with.

An idempotent producer numbers its records, and the number of one that failed is used up: the broker
refuses everything behind it in that partition. So whatever reaches us here costs the client, and
only what happens to the record differs. Errors that the client itself sends again for (aiokafka
calls them retriable: a leader that moved, too few replicas, a time-out) come only when it gives up.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

from aiokafka import errors
from aiokafka.errors import KafkaError


class Verdict(Enum):
    """What becomes of a record whose delivery failed."""

    # Its sender is told, with `Rejected`: no client will ever get this record in.
    REFUSED = "refused"
    # A new client sends it, before anything that was handed over later.
    SENT_AGAIN = "sent again"
    # Neither helps; the error is raised as it is, and ends the process.
    RAISED = "raised"


_VERDICTS: Mapping[type[BaseException], Verdict] = {
    errors.MessageSizeTooLargeError: Verdict.REFUSED,
    errors.RecordListTooLargeError: Verdict.REFUSED,
    errors.InvalidTimestampError: Verdict.REFUSED,
    errors.InvalidTopicError: Verdict.RAISED,
    errors.TopicAuthorizationFailedError: Verdict.RAISED,
    errors.ClusterAuthorizationFailedError: Verdict.RAISED,
    errors.AuthenticationFailedError: Verdict.RAISED,
    errors.UnsupportedVersionError: Verdict.RAISED,
    errors.UnsupportedForMessageFormatError: Verdict.RAISED,
    errors.IncompatibleBrokerVersion: Verdict.RAISED,
    # Everything else of Kafka's: OutOfOrderSequenceNumber, UnknownProducerId, ProducerFenced, a
    # sender that died ("Unexpected error during batch delivery"), codes this client does not know.
    KafkaError: Verdict.SENT_AGAIN,
}


def judge(error: BaseException) -> Verdict:
    """Look an error up; what is not Kafka's is raised."""
    found = (_VERDICTS[kind] for kind in type(error).__mro__ if kind in _VERDICTS)
    return next(found, Verdict.RAISED)
