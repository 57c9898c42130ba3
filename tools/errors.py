"""The operator's error: one clear sentence, printed without a traceback."""

from __future__ import annotations


class OperatorError(Exception):
    """Something an operator can put right; the message says what to do."""
