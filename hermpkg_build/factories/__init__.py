"""The processes that run a user's factory, and the files and modules that these are seen to read."""
