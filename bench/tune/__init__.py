"""The tuning lab: tries settings of the pipeline under one load, and says which are worth it."""
