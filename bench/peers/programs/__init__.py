"""What the peers are: a program each, beside the task that all of them are given."""
