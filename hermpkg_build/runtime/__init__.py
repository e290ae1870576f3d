"""Opens artifacts and runs the code in them; imports nothing of the build side.

From the top down, each room imports only those below it:

- `importer`: PackageImporter, which puts the parts together;
- `host`: what packaged code gets in place of attributes of host modules;
- `importing`: the modules of a package, found, loaded and imported;
- `contents`: the records of an artifact; `importer_protocol`: environments that modules come from;
- `mangling`: the names that packaged modules have in ``sys.modules``.
"""
