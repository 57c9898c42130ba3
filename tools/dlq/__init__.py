"""`ttg dlq`: what the stages could not work on; listed, shown, and sent again."""
