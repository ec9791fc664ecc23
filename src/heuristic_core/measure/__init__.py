"""What is asked of a model by running it."""
