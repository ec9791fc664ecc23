"""Questions on several runs together, of other tasks, fine-tunings, checkpoints or searches."""
