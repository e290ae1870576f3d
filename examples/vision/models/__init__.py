"""Image classification with residual networks."""
