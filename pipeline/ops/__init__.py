"""Operations: lag, metrics, the watch."""
