"""F56, all together: `python -m tests.faults.chaos [--seed N,M] [--duration S]`.

Every period has one fault or is quiet, as the seed says; the same seed gives the same periods. The
exit code is 0 if nothing was lost, nothing doubled, and the run was large enough to say so.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from tests.faults import broker, database, killing, report
from tests.faults.load import Offer
from tests.faults.processes import STAGES
from tests.faults.record import Limits
from tests.faults.run import ended_by_signal
from tests.faults.scene import Result, Row, Scene, play
from tests.stack import Stack, running

_PERIOD_S = 20.0
_QUIET_SHARE = 0.25
_ACKED_MIN = 100_000
_DURATION_S = 600.0
# Events a second, so that a run of the usual length has far more than it needs.
_RATE = 600
_SHORT_S = 1.0
_HOPS = STAGES[1:]


def frozen(stage: str, seconds: float) -> Callable[[Scene], None]:
    """Stop a stage in its tracks, beyond its session, and let it go on."""

    def inject(scene: Scene) -> None:
        with scene.fault(f"{stage} stands still for {seconds:g} s") as fault:
            with scene.processes.frozen(stage) as fault.proof:
                scene.under_load(seconds)

    return inject


def scaled(stage: str, replicas: int) -> Callable[[Scene], None]:
    """Run more replicas, and go back to one."""

    def inject(scene: Scene) -> None:
        with scene.fault(f"{stage} is scaled to {replicas} and back") as fault:
            for number in (replicas, 1):
                done = scene.stack.ttg("scale", stage, str(number))
                fault.proof = done.stdout if done.returncode == 0 else ""

    return inject


def drawn(choice: random.Random) -> tuple[str, Callable[[Scene], None] | None]:
    """Draw what happens in a period: its name, and its injection unless it is quiet."""
    # All are drawn each time, so that a period does not depend on what the one before it was.
    stage, hop = choice.choice(STAGES), choice.choice(_HOPS)
    seconds, replicas = round(choice.uniform(2.0, 10.0), 1), choice.randint(2, 4)
    deeds: dict[str, Callable[[Scene], None]] = {
        f"kill -9 {stage}": killing.killed(stage, 1, _SHORT_S),
        f"kill -9 {hop} three times": killing.killed(hop, 3, 2.5),
        f"{hop} stands still for {seconds} s": frozen(hop, seconds),
        f"kafka stands still for {seconds} s": broker.paused(seconds),
        f"scale {hop} to {replicas} and back": scaled(hop, replicas),
        "kill -9 kafka": broker.restarted(is_killed=True, away_s=(0.0,)),
        f"kafka away for {seconds} s": broker.restarted(is_killed=False, away_s=(seconds,)),
        "kill -9 of the sink's backends": database.backends_killed(3),
        f"postgres away for {seconds} s": database.away("postgres", seconds),
        "commits lost": database.lost_commits,
        "hop cut off": broker.cut_off_hop,
    }
    name = choice.choice(sorted(deeds))
    is_quiet = choice.random() < _QUIET_SHARE
    return ("quiet", None) if is_quiet else (name, deeds[name])


def chaos(seed: int, duration_s: float) -> Callable[[Scene], None]:
    """Have one period after the other until the time is over."""

    def inject(scene: Scene) -> None:
        choice = random.Random(seed)  # noqa: S311 - to be had again, no secret.
        clock = scene.clock()
        period = 0
        while clock() < duration_s:
            name, deed = drawn(choice)
            print(f"  {clock():4.0f} s  {name}", flush=True)  # noqa: T201
            if deed is not None:
                deed(scene)
            period += 1
            # A fault that takes longer takes from the next periods.
            scene.under_load(max(_SHORT_S, period * _PERIOD_S - clock()))

    return inject


def row(seed: int, duration_s: float, acked_min: int = _ACKED_MIN) -> Row:
    """Make the row of one run."""
    return Row(
        "F56",
        f"all together for {duration_s:g} s, seed {seed}",
        chaos(seed, duration_s),
        recovery_s=0.0,
        may_restart=(*STAGES, "kafka", "postgres"),
        offer=Offer(rate=_RATE, batch=30),
        after_s=10.0,
        acked_min=acked_min,
    )


def main(words: list[str]) -> int:
    """Run it, once for each seed, and print the results."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.chaos")
    drawn_seed = str(random.SystemRandom().randrange(10_000))
    parser.add_argument("--seed", default=drawn_seed, metavar="7,8", help="a run for each")
    parser.add_argument("--duration", type=float, default=_DURATION_S, metavar="S")
    parser.add_argument("--write", type=Path, help=report.WRITE_HELP)
    given = parser.parse_args(words)
    seeds = [int(seed) for seed in given.seed.split(",")]
    folder = Path(tempfile.mkdtemp(prefix="ttg-chaos-"))
    ended_by_signal()
    with running(folder / "state", MODE="native") as stack:
        results = [run(stack, seed, given.duration, folder) for seed in seeds]
        is_green = all(result.is_green for result in results)
        if not is_green:
            with suppress(FileNotFoundError):
                shutil.copytree(folder / "state" / "logs", folder / "logs")
    tell(results)
    if given.write:
        report.write(results, given.write, "chaos")
    if is_green:
        shutil.rmtree(folder)
    else:
        print(f"what is left of it: {folder}")  # noqa: T201
    return 0 if is_green else 1


def run(stack: Stack, seed: int, duration_s: float, folder: Path) -> Result:
    """Run one seed to its verdict; a run that is shorter than usual needs fewer events."""
    print(f"seed {seed}: make chaos SEED={seed}", flush=True)  # noqa: T201
    acked_min = _ACKED_MIN if duration_s >= _DURATION_S else Limits().acked_min
    return play(stack, row(seed, duration_s, acked_min), folder / f"F56-{seed}")


def tell(results: Sequence[Result]) -> None:
    """Print the table, and why it is not green."""
    print("\n" + report.table(results))  # noqa: T201
    for result in results:
        print(*report.findings(result), sep="\n")  # noqa: T201


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
