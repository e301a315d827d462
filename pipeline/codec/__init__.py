"""Avro schemas and framing."""
