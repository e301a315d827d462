"""A province's adapter: outbox, data sources, delivery store."""
