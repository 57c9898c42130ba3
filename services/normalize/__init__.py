"""normalize: events.raw -> events.normalized. Gives every event one form: units, names, times."""
