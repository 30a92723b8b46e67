"""Who owns each host cluster, how often, and what the refcounts say about it."""
