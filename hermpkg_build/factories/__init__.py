"""The processes that run a user's factory, and what they are seen to read."""
