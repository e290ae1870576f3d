"""Builds targets: a module for each rule, collected in a table."""
