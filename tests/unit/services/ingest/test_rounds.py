from __future__ import annotations

import asyncio
import time

from services.ingest.rounds import ROUND_S, Rounds


async def test_long_work_is_spread_over_the_rounds_and_kept_in_order() -> None:
    rounds, done, ticks = Rounds(), list[tuple[int, int]](), 0

    async def work(number: int) -> None:
        async with rounds.turn():
            time.sleep(2 * ROUND_S)  # noqa: ASYNC251  (a body that takes its time)
            done.append((number, ticks))

    async def tick() -> None:
        nonlocal ticks
        while len(done) < 5:
            ticks += 1
            await asyncio.sleep(0)

    await asyncio.gather(tick(), *(work(number) for number in range(5)))

    assert [number for number, _ in done] == list(range(5))
    assert len({tick for _, tick in done}) == 5


async def test_short_work_shares_a_round() -> None:
    rounds, entered = Rounds(), 0

    async def work() -> None:
        nonlocal entered
        async with rounds.turn():
            entered += 1

    tasks = [asyncio.create_task(work()) for _ in range(10)]
    await asyncio.sleep(0)

    assert entered == 10
    await asyncio.gather(*tasks)
