"""Ways to be irreproducible, a module for each, and one module that shows how not to be."""
