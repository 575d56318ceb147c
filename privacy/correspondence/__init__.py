"""What people write to us and what we answer: threads, sealed at rest, kept for two years."""
