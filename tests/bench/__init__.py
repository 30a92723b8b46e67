"""`make bench`: our commands and their peers in turn, on the same images, as ratios."""
