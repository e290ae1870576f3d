"""The actions of `rules/` for Bazel: the code of the embedded engine, one action at a time."""
