"""The files of the operating system: opened read-only, told apart, and whether another process holds them."""
