"""sink: events.decorated -> PostgreSQL. Stores every event once and ends its waterfall."""
