"""Benchmarks: the system's throughput and CPU, compared with those of its bare parts in the same run."""
