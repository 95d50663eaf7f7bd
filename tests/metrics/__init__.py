"""What is recorded, and through which door."""
