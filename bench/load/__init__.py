"""What is sent to the door: requests, in a closed and in an open loop, up to the most it bears."""
