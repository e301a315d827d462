"""Stages: pure functions from a state and a batch of messages to effects, one a file."""
