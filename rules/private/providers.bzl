"""The providers of targets, for those that depend on them."""

PythonModulesInfo = provider(
    doc = "Modules of the workspace, with those of all python_modules targets that they depend on.",
    fields = {
        "declarations": "A depset of strings: each target's label, rule and attributes, as JSON.",
        "facts": "A depset of files: the import facts of each source.",
        "resources": "A depset of files that the modules read at run time.",
        "sources": "A depset of files: the modules' sources.",
    },
)

ModelInfo = provider(
    doc = "A model object.",
    fields = {
        "declaration": "The target's label, rule and attributes, as JSON.",
        "folder": "The folder with its pickle and storages.",
        "label": "The target's label, as text.",
        "modules": "The PythonModulesInfo of what its factory may import.",
    },
)

ModelPackageInfo = provider(
    doc = "An artifact.",
    fields = {"artifact": "The file."},
)

def merge_modules(infos, declarations = [], facts = [], resources = [], sources = []):
    """Modules together with those that they depend on.

    Args:
      infos: the PythonModulesInfo of the dependencies.
      declarations: of the target itself, as are those that follow.
      facts: files.
      resources: files.
      sources: files.

    Returns:
      A PythonModulesInfo.
    """
    return PythonModulesInfo(
        declarations = depset(declarations, transitive = [info.declarations for info in infos]),
        facts = depset(facts, transitive = [info.facts for info in infos]),
        resources = depset(resources, transitive = [info.resources for info in infos]),
        sources = depset(sources, transitive = [info.sources for info in infos]),
    )
