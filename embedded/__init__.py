"""The system on one machine: PostgreSQL, NATS and Valkey as PyPI brings them, and the runner."""
