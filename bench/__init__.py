"""Measures the pipeline on a real stack of its own: how much it does, and what that costs.

A folder a command, with `command.py` in it, and the question it answers in its `__init__.py`:

    tracing  collector  latency  scaling  soak  sizing  peers  tune

What they share, each knowing only those above it:

    stack       what is measured: a stack of its own, and processes on it
    watch       what is seen meanwhile: rows, processors, memory, the machine
    load        what is sent, and what the pipeline bears of it
    report      how it is told: tables and charts
    comparison  variants beside each other, in turns
"""
