"""The fresh process of a check: hides what the package holds, loads the model, and runs the example.

It is started by its path in an isolated interpreter, with the path of a JSON file as its argument, and
writes ``result.pkl`` beside that.
"""

from __future__ import annotations

import faulthandler
import io
import json
import os
import pickle
import sys
import traceback
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hermpkg_build.factories.hidden_modules import HiddenModules

_LINES = 30


def main() -> None:
    """Run the request at ``sys.argv[1]``."""
    path = sys.argv[1]
    with open(path, "rb") as file:
        request = json.load(file)
    faulthandler.dump_traceback_later(request["timeout"], exit=True)
    sys.path[:] = [*request["search_path"]]
    if request["tool_path"] not in sys.path:
        sys.path.append(request["tool_path"])
    from hermpkg_build.factories.hidden_modules import HiddenModules
    from hermpkg_build.runtime.contents.checks import specifiers

    specifiers()
    hidden = HiddenModules(
        lambda name: _is_hidden(name, request["hidden"], request["shown"]),
        "No module named '{name}' outside of the package",
        request["hidden_distributions"],
    )
    hidden.install()
    try:
        result = results(request, hidden)
    except BaseException as error:  # noqa: BLE001 - a model may raise anything
        result = {"failure": failure_of(error, hidden)}
    with open(os.path.join(os.path.dirname(path), "result.pkl"), "wb") as file:
        pickle.dump(result, file, protocol=4)


def _is_hidden(name: str, hidden: Sequence[str], shown: Sequence[str]) -> bool:
    """Whether a module is hidden; the packages that what is shown lies in are there for its import alone."""
    if any(f"{name}.".startswith(f"{place}.") or place.startswith(f"{name}.") for place in shown):
        return False
    return any(f"{name}.".startswith(f"{place}.") for place in hidden)


def results(request: dict[str, Any], hidden: HiddenModules) -> dict[str, Any]:
    """The outputs of the model for the example, and its pickle where that is another one here."""
    from hermpkg_build import PackageImporter
    from hermpkg_build.core.json_codec import from_json
    from hermpkg_build.generate.example import TorchSettings, leaves_of, run
    from hermpkg_build.generate.repickling import pickled_again

    if request["settings"] is not None:
        from_json(TorchSettings, request["settings"]).use()
    importer = PackageImporter(request["artifact"])
    package, _, resource = request["record"].rpartition("/")
    model = importer.load_pickle(package, resource)
    again = pickled_again(importer, model, request["record"])
    if request["example"] is None:
        return {"outputs": [], "pickle": again}

    class Unpickler(pickle.Unpickler):
        def find_class(self, module: str, name: str) -> Any:
            module = request["renamed"] if module == "__main__" and request["renamed"] else module
            if not hidden.hides(module):
                return super().find_class(module, name)
            found = importer.import_module(module)
            for part in name.split("."):
                found = getattr(found, part)
            return found

    arguments = Unpickler(io.BytesIO(bytes.fromhex(request["example"]))).load()
    return {"outputs": leaves_of(run(model, arguments)), "pickle": again}


def failure_of(error: BaseException, hidden: HiddenModules) -> dict[str, Any]:
    """What went wrong, as the fields of a CheckFailure."""
    from hermpkg_build.factories.remedies import remedy
    from hermpkg_build.runtime.mangling import demangle, is_mangled

    chain = [*_chain(error)]
    names = [
        str(frame.f_globals.get("__name__", ""))
        for each in chain
        for frame, _ in reversed([*traceback.walk_tb(each.__traceback__)])
    ]
    packed = dict.fromkeys(demangle(name) for name in names if is_mangled(name))
    missing = [each.name for each in chain if isinstance(each, ImportError) and each.name]
    text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    last = traceback.format_exception_only(type(error), error)[-1].strip()
    return {
        "summary": last or type(error).__name__,
        "details": "\n".join(text.rstrip().splitlines()[-_LINES:]),
        "modules": tuple(packed),
        "missing": next((name for name in missing if hidden.hides(name)), ""),
        "remedy": remedy(chain),
    }


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """The error and those that led to it, the first cause first."""
    if error is not None:
        yield from _chain(error.__cause__ or error.__context__)
        yield error


if __name__ == "__main__":
    main()
