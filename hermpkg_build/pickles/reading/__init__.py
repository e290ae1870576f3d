"""Pickles read as data: nodes, tensors, globals and paths, with nothing imported."""
