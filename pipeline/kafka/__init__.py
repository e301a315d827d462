"""Kafka: the transactional worker, readers, topics.yaml, brokers to start."""
