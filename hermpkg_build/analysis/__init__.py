"""Source is read, never imported: imports, modules by name, and the closure of a set of roots."""
