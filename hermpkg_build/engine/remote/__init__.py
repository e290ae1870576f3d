"""Results and model objects that the engine shares with other machines."""
