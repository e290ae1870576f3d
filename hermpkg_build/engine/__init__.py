"""Requests in, results out: actions run when their inputs changed."""
