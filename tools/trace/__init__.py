"""A waterfall in the terminal: fetched from Jaeger, laid out, drawn."""
