"""What is written: files that get their name when they are complete, segments, hashes; and every path tested first."""
