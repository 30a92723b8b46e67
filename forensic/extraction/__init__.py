"""Plan → read → sinks: the virtual disk written out, hashed, and accounted for."""
