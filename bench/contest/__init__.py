"""Measures us and our peers on the same broker and database, in turns."""
