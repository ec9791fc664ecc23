"""Loading, families, gates and tokens: the only place that knows the insides of transformers."""
