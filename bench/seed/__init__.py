"""Large collections and many people, made in seconds."""
