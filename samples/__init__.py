"""Small disk images of our own making, sound and damaged, and the code that makes them."""
