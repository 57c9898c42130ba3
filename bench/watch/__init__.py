"""What is seen meanwhile: rows, processors, memory, and the machine they are of."""
