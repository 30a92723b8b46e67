"""The virtual disk: the layers it is read through, and what it takes to read them."""
