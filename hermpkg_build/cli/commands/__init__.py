"""The commands, one module each, which holds a `COMMAND`."""
