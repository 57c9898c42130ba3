"""Who takes part beside us."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

# What leaves the first stage finds the others waiting.
FIRST, BEHIND = "normalize", ("decorate", "sink")


@dataclass(frozen=True, slots=True)
class Entrant:
    """A peer: the module that runs its stages, and about how many events it stores in a second."""

    name: str
    module: str
    is_traced: bool
    events_per_s: int

    @property
    def table(self) -> str:
        """Name the table that it stores into."""
        return f"peer_{self.name.replace('-', '_')}"

    def environ(self, percent: float) -> Mapping[str, str]:
        """Return the variables of its stages with so many of a hundred traces sampled."""
        if not self.is_traced:
            return {"OTEL_SDK_DISABLED": "true"}
        return {
            "OTEL_TRACES_SAMPLER": "parentbased_traceidratio",
            "OTEL_TRACES_SAMPLER_ARG": str(percent / 100),
        }


BLOG = Entrant("blog", "bench.peers.programs.blog", is_traced=True, events_per_s=800)
FASTSTREAM = Entrant(
    "faststream", "bench.peers.programs.fast_stream", is_traced=True, events_per_s=700
)
QUIX = Entrant("quix", "bench.peers.programs.quix", is_traced=False, events_per_s=5_000)
GOOD_AFTERNOON = Entrant(
    "good-afternoon", "bench.peers.programs.good_afternoon", is_traced=True, events_per_s=6_000
)
REFERENCE = Entrant(
    "reference", "bench.peers.programs.good_afternoon", is_traced=False, events_per_s=20_000
)
ENTRANTS = {
    entrant.name: entrant for entrant in (BLOG, FASTSTREAM, QUIX, GOOD_AFTERNOON, REFERENCE)
}
OURS = "ours"
