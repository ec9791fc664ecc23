"""A study: a configuration becomes cells, cells become a run folder, that becomes results."""
