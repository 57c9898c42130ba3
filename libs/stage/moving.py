"""Whether a reader moves: what stands still for too long, though nothing outside explains it."""

from __future__ import annotations

from collections.abc import Mapping

from libs.kafka import Partition, Progress, Reading
from libs.stage.settings import HealthSettings

# A poll that ended longer ago than this is followed by work.
_WORK_S = 0.5
# Looks are more frequent than this; after a longer gap the whole process was stopped and goes on,
# and nothing of it had to move meanwhile.
_GAP_S = 5.0


class Moving:
    """Compares how far a reader was at each look; times are seconds of one monotonic clock.

    One partition that moves is enough: under load the others wait in memory for their turn.
    """

    def __init__(self, settings: HealthSettings, now_s: float) -> None:
        self._settings = settings
        self._readings: Mapping[Partition, Reading] = {}
        self._deeds = 0
        # When each was last as it should be.
        self._joined_s = self._fetched_s = self._worked_s = now_s
        self._looked_s = now_s

    def look(self, progress: Progress, excused_s: float, now_s: float, deeds: int = 0) -> None:
        """Take note of how far the reader is; before `excused_s` nothing had to move.

        `deeds` counts what was done of the polls, also of one whose work is not over.
        """
        if now_s - self._looked_s > _GAP_S:
            excused_s = now_s
        self._looked_s = now_s
        readings = progress.readings
        has_fetched = any(
            _fetched(self._readings.get(p)) != _fetched(r) for p, r in readings.items()
        )
        has_worked = any(
            _position(self._readings.get(p)) != _position(r) for p, r in readings.items()
        )
        has_worked = has_worked or deeds != self._deeds
        self._deeds = deeds
        is_polling = progress.away_s < _WORK_S
        lags = any(reading.end > reading.position for reading in readings.values())
        if progress.has_joined or not is_polling:
            self._joined_s = now_s
        if has_fetched or has_worked or not readings or not progress.has_joined or not is_polling:
            self._fetched_s = now_s
        if has_worked or (is_polling and not lags):
            self._worked_s = now_s
        self._joined_s = max(self._joined_s, excused_s)
        self._fetched_s = max(self._fetched_s, excused_s)
        self._worked_s = max(self._worked_s, excused_s)
        self._readings = readings

    def standstill(self) -> str:
        """Say what had not moved within its limit at the last look; empty if all was well."""
        settings, now_s = self._settings, self._looked_s
        if now_s - self._fetched_s > settings.fetch_limit_s:
            return f"no fetch was answered for {settings.fetch_limit_s} s, though Kafka answers"
        if now_s - self._worked_s > settings.progress_limit_s:
            return f"nothing was done for {settings.progress_limit_s} s, though there is work"
        if now_s - self._joined_s > settings.progress_limit_s:
            return f"in no group for {settings.progress_limit_s} s, though Kafka answers"
        return ""


def _fetched(reading: Reading | None) -> int:
    return 0 if reading is None else reading.fetched_ms


def _position(reading: Reading | None) -> int:
    return -1 if reading is None else reading.position
