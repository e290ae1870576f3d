"""The graphs that queries ask: targets of BUILD files, and modules with their imports."""
