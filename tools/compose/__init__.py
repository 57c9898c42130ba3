"""The Compose mode: every part of the stack as a container of one project."""
