"""Made-up people, registers and applications, for the demo, the benchmarks and the tests."""
