"""Loading, anatomy, gates and tokens: the only place that knows transformers' insides."""
