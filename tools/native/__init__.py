"""The native mode: every part of the stack as a process of this machine, under one supervisor."""
