"""Keys, signatures, seals and trees: envelope suite 1 of docs/envelope.md. No I/O but key files."""
