"""Where an exporter finds a module: the interpreter, given importers, loaded modules, packages."""
