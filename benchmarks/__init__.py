"""Measurements that the project's figures come from; each file is a command, ``python -m benchmarks.NAME``."""
