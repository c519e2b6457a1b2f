"""What every service needs: bus, events, database, HTTP, gRPC, errors, configuration, health."""
