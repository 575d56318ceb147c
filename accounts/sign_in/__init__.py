"""Signing up and in: allauth, in our words and within our bounds."""
