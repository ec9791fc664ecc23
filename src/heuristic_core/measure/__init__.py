"""Measurements that run a model."""
