"""Fine-tuning with checkpoints."""
