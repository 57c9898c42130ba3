"""Runs glass: `python -m services.glass`."""

from __future__ import annotations

from libs import http, logs, stage
from libs.keys import read_keys
from services.glass import api, query
from services.glass.settings import Settings


async def main() -> None:
    settings = Settings()
    logs.setup("glass", settings.replica)
    stop = stage.stop_on_signal()
    health = stage.Health(settings.health, stop)
    async with health.kept(), query.opened(settings) as events:
        health.depends_on("PostgreSQL", events.check)
        health.started()
        app = api.application(events, read_keys(settings.api_keys))
        await http.serve(app, settings.host, settings.port, stop)


if __name__ == "__main__":
    stage.launch(main)
