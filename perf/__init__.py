"""Measures Inrush beside its rivals: `make perf`."""
