"""What runs in the processes of a pool: the warm one, those that open an artifact, and the workers."""
