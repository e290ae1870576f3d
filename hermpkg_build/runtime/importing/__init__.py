"""The modules of a package: found, loaded, and imported by packaged code and by the host.

`space` holds the state of one package's modules. On it stand `parking`, by which modules stand aside for
the garbage collector, `finder` and `package_loader`, the two halves of an importer for the import system,
`imports`, the ``__import__`` of packaged code, and `sys_modules`. Below it are `module_views`, `roles`, and
the tables of torch and typing, which know no package.
"""
