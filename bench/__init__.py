"""Benchmarks: one judge, seeded workloads, one short file a rival. Start with ``python -m bench.run --help``."""
