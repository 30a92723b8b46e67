"""May an image be let in? A policy, what the header alone decides, and the full check behind it."""
