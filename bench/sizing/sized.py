"""What a rate of events takes, worked out from what one event was measured to take."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

import msgspec
from cyclopts import Parameter
from cyclopts.validators import Number

from bench.scaling.costs import Costs
from bench.watch.machine import Machine
from services.topology import PARTITIONS, PIPELINE

_STAGES = tuple(hop.stage for hop in PIPELINE)
_READERS = tuple(hop.stage for hop in PIPELINE if hop.reads)
_BITS = 8


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class Assumed:
    """What is not measured but chosen.

    Parameters
    ----------
    busy
        How busy a core, a disk and a network may be; the rest is headroom.
    copies
        How many brokers have each record.
    cores
        Cores of one machine, each like those that were measured.
    network_gbit
        What one machine sends, and takes in, a second.
    disk_mb
        What one database writes ahead a second (MB).
    """

    busy: Annotated[float, Parameter(validator=Number(gt=0, lte=1))] = 0.6
    copies: Annotated[int, Parameter(validator=Number(gte=1, lte=9))] = 3
    cores: Annotated[int, Parameter(validator=Number(gte=1, lte=1_024))] = 16
    network_gbit: Annotated[float, Parameter(validator=Number(gt=0))] = 10.0
    disk_mb: Annotated[float, Parameter(validator=Number(gt=0))] = 500.0


class Sized(msgspec.Struct, frozen=True, kw_only=True):
    """What a rate takes; `cores` have their headroom, and Kafka's are of all copies."""

    events_per_s: float
    cores: dict[str, float]
    replicas: dict[str, int]
    partitions: int
    brokers: int
    shards: int
    http_gbit: float
    kafka_in_gbit: float
    kafka_out_gbit: float
    table_tb_per_day: float


class Limit(msgspec.Struct, frozen=True, kw_only=True):
    """What ends at a rate, and what comes in its place."""

    what: str
    events_per_s: float
    instead: str


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """All of one sizing; `machine` is the one that was measured."""

    machine: Machine
    costs: Costs
    assumed: Assumed
    sized: list[Sized]
    limits: list[Limit]


@dataclass(frozen=True, slots=True)
class Sizing:
    """Works out what a rate takes."""

    costs: Costs
    assumed: Assumed
    # Of the machine that was measured.
    measured_cores: int

    def cores(self, us: float, events_per_s: float) -> float:
        """Return the cores that so many µs an event take."""
        return events_per_s * us / 1e6 / self.assumed.busy

    def rate(self, us: float, cores: float) -> float:
        """Return how many events a second so many cores do, at so many µs an event."""
        return cores * self.assumed.busy * 1e6 / us

    def at(self, events_per_s: float) -> Sized:
        """Work out what a rate takes."""
        costs, assumed = self.costs, self.assumed
        cores = {stage: self.cores(costs.cpu_us[stage], events_per_s) for stage in _STAGES}
        # A broker that follows appends what it fetches, so it is taken to cost what a leader does.
        cores["kafka"] = assumed.copies * self.cores(costs.cpu_us["kafka"], events_per_s)
        cores["postgres"] = self.cores(costs.cpu_us["postgres"], events_per_s)
        replicas = {stage: math.ceil(cores[stage]) for stage in _STAGES}
        widest = max(replicas[stage] for stage in _READERS)
        logged_gbit = _gbit(events_per_s * sum(costs.log_bytes.values()))
        return Sized(
            events_per_s=events_per_s,
            cores=cores,
            replicas=replicas,
            partitions=PARTITIONS * math.ceil(widest / PARTITIONS),
            brokers=self._brokers(cores["kafka"], assumed.copies * logged_gbit),
            shards=math.ceil(events_per_s / self.database_rate()),
            http_gbit=_gbit(events_per_s * costs.http_bytes),
            kafka_in_gbit=assumed.copies * logged_gbit,
            # To one stage, and to the brokers that follow.
            kafka_out_gbit=assumed.copies * logged_gbit,
            table_tb_per_day=events_per_s * costs.table_bytes * 86_400 / 1e12,
        )

    def database_rate(self) -> float:
        """Return how many events a second one database stores: by its cores, or by its disk."""
        by_cores = self.rate(self.costs.cpu_us["postgres"], self.assumed.cores)
        return min(by_cores, self.assumed.disk_mb * 1e6 * self.assumed.busy / self.costs.wal_bytes)

    def limits(self) -> list[Limit]:
        """Return what ends at which rate, the first first."""
        cpu_us, cores = self.costs.cpu_us, self.assumed.cores
        all_us = sum(cpu_us[name] for name in (*_STAGES, "kafka", "postgres"))
        slowest = max(_READERS, key=lambda stage: cpu_us[stage])
        logged_bytes = sum(self.costs.log_bytes.values())
        network_bytes = self.assumed.network_gbit * self.assumed.busy * 1e9 / _BITS
        broker = min(self.rate(cpu_us["kafka"], cores), network_bytes / logged_bytes)
        found = [
            (f"the {self.measured_cores} cores that were measured, with everything on them",
             self.rate(all_us, self.measured_cores), f"a machine of {cores} cores"),
            (f"one replica of {slowest}", self.rate(cpu_us[slowest], 1),
             "replicas, one a core: `make scale`"),
            ("one door", self.rate(cpu_us["ingest"], 1), "doors behind a load balancer"),
            (f"one machine of {cores} cores", self.rate(all_us, cores),
             "a machine for each part; they find each other by addresses in their environment"),
            ("one PostgreSQL", self.database_rate(),
             "databases by ranges of partitions, each with sinks of its own; past some of them, a "
             "store made for columns behind the same `Store`"),
            (f"{PARTITIONS} partitions a topic", self.rate(cpu_us[slowest], PARTITIONS),
             "more partitions, in services/topology.py, before there is data"),
            (f"{self.assumed.copies} brokers, each with a copy of all", broker, "more brokers"),
        ]  # fmt: skip
        limits = [Limit(what=w, events_per_s=rate, instead=i) for w, rate, i in found]
        return sorted(limits, key=lambda limit: limit.events_per_s)

    def _brokers(self, cores: float, in_gbit: float) -> int:
        by_cores = math.ceil(cores / self.assumed.cores)
        by_network = math.ceil(in_gbit / self.assumed.network_gbit / self.assumed.busy)
        return max(self.assumed.copies, by_cores, by_network)


def _gbit(bytes_per_s: float) -> float:
    return bytes_per_s * _BITS / 1e9
