"""What the model is made with."""
