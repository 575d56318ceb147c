"""Requests about somebody's own data: received, verified, answered within 30 days."""
