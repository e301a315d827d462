"""The national center (部收入认定中心): review desk, membership, inspection."""
