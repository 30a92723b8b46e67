"""What is left in the file where no structure lies."""
