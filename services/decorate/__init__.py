"""decorate: events.normalized -> events.decorated. Says of every event whom it concerns."""
