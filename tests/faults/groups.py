# pyright: basic
"""Makes the broker forget where a group is."""

from __future__ import annotations

from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.protocol.admin import DeleteGroupsRequest


async def delete(servers: str, group: str) -> bool:
    """Delete a group with its offsets; says whether it is gone: not while it has a member."""
    client = AIOKafkaAdminClient(bootstrap_servers=servers)
    await client.start()
    try:
        coordinator = await client.find_coordinator(group)
        # The client has no method for it, only the request.
        answer: Any = await client._send_request(DeleteGroupsRequest([group]), coordinator)
        return [code for _group, code in answer.results] == [0]
    finally:
        await client.close()
