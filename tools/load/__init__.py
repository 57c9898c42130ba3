"""An open-loop load generator that afterwards asks the store what became of every event."""
