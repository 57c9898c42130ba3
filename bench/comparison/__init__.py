"""What variants of the pipeline do beside each other, in turns on one stack."""
