"""Values without I/O: labels, digests, patterns, policies, import facts, graphs, manifests."""
