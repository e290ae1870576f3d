"""An order for the elements of sets that depends on the object graph alone."""
