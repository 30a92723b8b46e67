"""Version 1: its tables as those of version 3 wherever they read alike, and as what they lead to where they do not."""
