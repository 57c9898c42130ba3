"""ingest: POST /v1/events -> events.raw. Aggregates requests into records; 202 is Kafka's ack."""
