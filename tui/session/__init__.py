"""What is kept of a session: notes, hashes of the evidence, and the log of what was done."""
