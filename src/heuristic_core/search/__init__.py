"""Searches for subnetworks: one method a file, one signature for all."""
