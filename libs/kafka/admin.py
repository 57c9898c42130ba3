# pyright: basic
"""Topics and groups, for operators: what the client library's admin interface is needed for."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator, Iterable
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from libs.errors import Unavailable
from libs.kafka.records import Partition

_TIMEOUT_MS = 10_000
# The time a record was appended, not the producer's: the wait in the log is measured with it.
_TOPIC_CONFIG = {"message.timestamp.type": "LogAppendTime"}
_STABLE = "Stable"


@dataclass(frozen=True, slots=True)
class Member:
    """One member of a group; its partitions are ascending, and none while the group settles."""

    client_id: str
    partitions: tuple[Partition, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """A consumer group; `is_stable` is false while its partitions move."""

    name: str
    is_stable: bool
    members: tuple[Member, ...]


class Admin:
    """Asks and changes what a Kafka cluster holds. Every method raises `Unavailable`."""

    def __init__(self, client: AIOKafkaAdminClient) -> None:
        self._client = client

    async def create_topics(
        self, names: Iterable[str], *, partitions: int, replication_factor: int = 1
    ) -> list[str]:
        """Create those of `names` that do not exist; return which these were, in order."""
        topics = [
            NewTopic(name, partitions, replication_factor, topic_configs=dict(_TOPIC_CONFIG))
            for name in names
        ]
        with _unavailable("create topics"):
            answer: Any = await self._client.create_topics(topics, timeout_ms=_TIMEOUT_MS)
        created: list[str] = []
        for name, code, *reason in answer.topic_errors:
            if code == 0:
                created.append(name)
            elif code != TopicAlreadyExistsError.errno:
                raise Unavailable(
                    f"Kafka did not create {name}: {for_code(code).__name__} {reason}"
                )
        return created

    async def topics(self) -> set[str]:
        """Return the names of all topics."""
        with _unavailable("list topics"):
            return set(await self._client.list_topics())

    async def groups(self, names: Iterable[str]) -> dict[str, Group]:
        """Return each group by its name; one that nobody joined has no members."""
        answers: list[Any] = []
        with _unavailable("describe groups"):
            # One at a time: aiokafka 0.14.0 decodes version 3 of the answer as version 2, which
            # only comes out right for the first group. Ask for all at once when it does not.
            for name in names:
                answers += await self._client.describe_consumer_groups([name])
        found: dict[str, Group] = {}
        for answer in answers:
            for _error, name, state, _type, _protocol, members, *_rest in answer.groups:
                found[name] = Group(name, state == _STABLE, tuple(map(_member, members)))
        return found


@asynccontextmanager
async def admin(bootstrap_servers: str) -> AsyncGenerator[Admin]:
    """Yield an `Admin` of the cluster. Raises `Unavailable` if no broker answers."""
    client = AIOKafkaAdminClient(
        bootstrap_servers=bootstrap_servers, client_id="ttg", request_timeout_ms=_TIMEOUT_MS
    )
    try:
        with _unavailable("connect"):
            await client.start()
        yield Admin(client)
    finally:
        await client.close()


@contextmanager
def _unavailable(deed: str) -> Generator[None]:
    try:
        yield
    except (KafkaError, TimeoutError) as error:
        raise Unavailable(f"could not {deed}: {error!r}") from error


def _member(described: tuple) -> Member:
    _member_id, client_id, _host, _metadata, assignment, *_rest = described
    if not assignment:
        return Member(client_id, ())
    decoded = ConsumerProtocolMemberAssignment.decode(assignment)
    mine = [Partition(topic, number) for topic, numbers in decoded.assignment for number in numbers]
    return Member(client_id, tuple(sorted(mine, key=lambda one: (one.topic, one.number))))
