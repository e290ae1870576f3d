"""A package that loads the model it ships."""

from importlib.resources import as_file, files


def load_model():
    """The model, with the code it was made with."""
    from hermpkg_build import PackageImporter

    with as_file(files("acme.artifacts") / "greeter.pt") as path, PackageImporter(path) as importer:
        return importer.load_pickle("model", "model.pkl")
