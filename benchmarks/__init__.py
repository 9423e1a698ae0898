"""Nervure and its peers on equal work; see benchmarks/README.md."""
