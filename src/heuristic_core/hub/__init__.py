"""Sharing subnetworks and runs on the Hugging Face hub."""
