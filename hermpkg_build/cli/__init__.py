"""One module a command: argument parsing and printing, nothing else."""
