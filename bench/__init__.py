"""Benchmarks: one judge, seeded workloads, one short file a rival. See ``bench/run.py``."""
