"""What is measured: a stack of its own, with stages and other programs as processes on it."""
