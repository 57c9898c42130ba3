"""glass: PostgreSQL -> GET /v1/events. Answers what can be seen."""
