"""Measures the pipeline on a real stack of its own: how much it does, and what that costs."""
