"""What can be recovered: found by a job, accepted or refused step by step, written as a plan, and read by."""
