"""Completion of command lines: the scripts that shells load, and the program that answers them."""
