"""Simulated studies of which the truth is known, to count how often verdicts are right."""
