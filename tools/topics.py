"""`ttg topics create`: the topics of the map, in the cluster that the environment names."""

from __future__ import annotations

import asyncio

import cyclopts

from libs.errors import Unavailable
from libs.kafka.admin import admin
from libs.kafka.settings import KafkaSettings
from services.topology import DEAD_LETTER_TOPICS, PARTITIONS, TOPICS
from tools.errors import OperatorError

app = cyclopts.App(name="topics", help="Create the pipeline's topics.")


@app.command
def create() -> None:
    """Create every topic of the pipeline that is missing; those that exist stay as they are."""
    servers = KafkaSettings().bootstrap_servers
    try:
        created = asyncio.run(_create(servers))
    except Unavailable as error:
        raise OperatorError(f"{error}; is a broker running at {servers}?") from error
    print(f"created: {', '.join(created) or 'nothing, all were there'}")  # noqa: T201


async def _create(servers: str) -> list[str]:
    async with admin(servers) as kafka:
        return await kafka.create_topics((*TOPICS, *DEAD_LETTER_TOPICS), partitions=PARTITIONS)
