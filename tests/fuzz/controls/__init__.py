"""Readers that break laws, to see that this is noticed. They are no targets, but run like them."""
