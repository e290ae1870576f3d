"""What people need not write by hand: the policy of a model's package, and the module of its script."""
