"""``pack``: a model in, a checked package out, with no policy written by hand."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import count
from typing import Any

from hermpkg_build.analysis.decisions import PURE, Decision
from hermpkg_build.analysis.policy_maker import Wishes
from hermpkg_build.archive.pickled_models import EXAMPLE
from hermpkg_build.core.example_call import Arguments, arguments_of, example_of
from hermpkg_build.core.module_names import is_within
from hermpkg_build.core.module_roles import Policy
from hermpkg_build.core.policy import PolicyRule
from hermpkg_build.dataclass import dataclass, field, replace
from hermpkg_build.disk.replacing import aside_path
from hermpkg_build.disk.standard_library import standard_library
from hermpkg_build.errors import ActionError, HermpkgError
from hermpkg_build.exporter.destination import FileDestination, keep_other_files
from hermpkg_build.exporter.errors import PackagingError
from hermpkg_build.exporter.sources.interpreter import search_path
from hermpkg_build.generate.comparison import Comparison
from hermpkg_build.generate.decided import named_policies
from hermpkg_build.generate.example import Leaf, TorchSettings, leaves_of, run
from hermpkg_build.generate.hermetic_check import CheckFailure, CheckRequest, check, pickled_example
from hermpkg_build.generate.made_report import make_report, required_versions
from hermpkg_build.generate.main_importer import MainImporter
from hermpkg_build.generate.main_module import MAIN, MainModule
from hermpkg_build.generate.packing_exporter import PackingExporter
from hermpkg_build.generate.policy_maker import MadePolicy, make_policy
from hermpkg_build.generate.policy_text import rules_from
from hermpkg_build.generate.report import PackReport
from hermpkg_build.pickles.path_of_failure import UnpicklableError
from hermpkg_build.runtime.importer_protocol import sys_importer

_MOST_TRIES = 4
_TIMEOUT_S = 600.0
_SLOWER = 20
"""How many times longer than here an example may take in a fresh process, for its imports alone."""
_INTERPRETER = "sys_importer: "
"""How the reason begins that this interpreter has for not knowing an object."""


class PackError(ActionError):
    """A model cannot be packed, or does not do in its package what it does here. Nothing was written.

    >>> import hermpkg_build
    >>> try:
    ...     hermpkg_build.pack({"act": lambda x: x}, "model.pt")
    ... except PackError as error:
    ...     print(error.facts[0])
    ('object', 'model["act"]')
    """


def pack(
    model: Any,
    f: str | os.PathLike[str],
    *,
    example: Any = None,
    keep_example: bool = False,
    policy: str | Sequence[PolicyRule] | None = None,
    extern: str | Iterable[str] = (),
    intern: str | Iterable[str] = (),
    resources: Mapping[str, str | os.PathLike[str] | bytes] | None = None,
    requires: Mapping[str, str] | None = None,
    weights: str | os.PathLike[str] | None = None,
    weights_key: str = "",
    weights_prefix: str = "",
    timeout: float | None = None,
) -> PackReport:
    """Pack `model` with the code that it needs into the file `f`, check that it works, and report.

    `example` are the arguments of one call of the model: a tuple of them, a dict of them by name, or a single
    one. The package is opened in a fresh process in which nothing that it holds can be imported; the model is
    called there and here, and the outputs are compared. Without an example it is loaded there, no more. `f`
    is replaced only after that. With `keep_example` the arguments are packed, too, beside the model: servers
    and registries then know what it takes and gives before anybody calls it.

    What becomes of each library is decided by what the model's imports lead to. `extern` and `intern` name
    distributions or top-level modules that are decided otherwise; `policy` are rules that come before all
    others, as a report writes them. `resources` are files (by path) or bytes to pack, by the name of their
    record: ``{"config/words.txt": "words.txt"}``. `requires` are versions (PEP 440) in place of those that
    go by what is installed here.

    `weights` is loaded into the model first: a file of safetensors, an index of such files or a folder with
    one, or what torch.save wrote. The state dict in a checkpoint is found where there is one that fits and
    has a usual name; `weights_key` leads to another, ``a.b`` to the part ``b`` of the part ``a``, and
    `weights_prefix` is what its keys begin with, which those of the model lack.

    The fresh process may take `timeout` seconds; if None, ten minutes, and twenty times what the example
    took here.

    Classes and functions of ``__main__`` are packed as a module of their own, with what they refer to.

    Raises PackError, ActionError for weights that do not fit, CommandLineError for a name of `extern` or
    `intern` that the model does not need, EmptyMatchError for a rule of `policy` that decides for nothing,
    OutputError for a file that cannot be written, or that is another than a package.

    >>> import hermpkg_build
    >>> report = hermpkg_build.pack({"classes": ("cat", "dog")}, "model.pt")
    >>> report.verified.how
    'loaded in a fresh process in which nothing that it holds can be imported'
    """
    path = os.fspath(f)
    FileDestination(path)
    keep_other_files(path, read=os.fspath(weights or ""))
    flat = [name for name in resources or () if "/" not in name]
    if flat:
        raise PackError(
            f"the resource {flat[0]!r} lies in no folder",
            next_step=f"name its record as folder/{flat[0]}: load_text('folder', {flat[0]!r}) reads it",
        )
    if timeout is not None and not timeout > 0:
        raise ValueError(f"timeout needs a number of seconds above 0, not {timeout!r}")
    inside, outside = ((names,) if isinstance(names, str) else tuple(names) for names in (intern, extern))
    named = named_policies(inside, outside)
    job = _Job(
        model=model,
        path=path,
        arguments=None if example is None else arguments_of(example),
        keeps_example=keep_example,
        resources={name: _bytes_of(value) for name, value in (resources or {}).items()},
        requires=dict(requires or {}),
        timeout=timeout,
    )
    if keep_example and example is None:
        raise ValueError("keep_example is for an example, and there is none")
    if job.arguments is not None and not callable(model):
        raise PackError(
            f"a {type(model).__qualname__} cannot be called with an example",
            next_step="leave the example out, or pack something that can be called",
        )
    if weights is None and (weights_key or weights_prefix):
        raise ValueError("weights_key and weights_prefix tell of weights, and there are none")
    if weights is not None:
        job.load(os.fspath(weights), weights_key, weights_prefix)
    return job.run(Wishes(rules=rules_from(policy), named=named))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Attempt:
    """A package that was written aside, and what it is checked with."""

    made: MadePolicy
    request: CheckRequest
    expected: Sequence[Leaf] | None
    main: MainModule | None
    told: Sequence[str]


@dataclass(slots=True, kw_only=True)
class _Job:
    """One call of `pack`."""

    model: Any
    path: str
    arguments: Arguments | None
    keeps_example: bool
    resources: Mapping[str, bytes]
    requires: Mapping[str, str]
    timeout: float | None
    folder: str = "model"
    notes: list[str] = field(default_factory=list)
    loaded: set[str] = field(default_factory=set)

    def load(self, path: str, key: str, prefix: str) -> None:
        """Load weights into the model, and note what of the file was taken where nobody said so."""
        from hermpkg_build.factories.state_dicts import as_arguments
        from hermpkg_build.factories.weights import load_weights

        taken = load_weights(
            self.model, path, shown=path, key=key, prefix=prefix, voice=as_arguments, has_shards=True
        )
        if taken.named and not key and not prefix:
            self.notes.append(f"of the weights in {path} this was taken: {as_arguments(taken)}")

    def run(self, wishes: Wishes) -> PackReport:
        """Pack and check; where a library fails in the package, again with it outside."""
        for _ in range(_MOST_TRIES):
            with _aside(self.path) as aside:
                attempt = self._attempt(aside, wishes)
                outcome = check(attempt.request, attempt.expected)
                if isinstance(outcome, Comparison) and not outcome.problems:
                    report = make_report(
                        aside,
                        self.path,
                        attempt.made,
                        outcome,
                        wishes.rules,
                        attempt.main,
                        has_example=self.arguments is not None,
                    )
                    os.replace(aside, self.path)
                    return replace(report, notes=(*self.notes, *report.notes, *attempt.told))
            again = self._other_wishes(wishes, outcome, attempt.made.decisions)
            if again is None:
                break
            wishes = again
        raise _failure(outcome, self.notes)

    def _other_wishes(
        self, wishes: Wishes, outcome: CheckFailure | Comparison, decisions: Mapping[str, Decision]
    ) -> Wishes | None:
        """What to wish in the next try, with what is at fault decided otherwise; None where nothing is."""
        unused = [each for each in decisions.values() if each.is_optional]
        missing = outcome.missing if isinstance(outcome, CheckFailure) else ""
        named = [each for each in unused if any(is_within(missing, module) for module in each.modules)]
        blamed = _blamed(outcome, decisions)
        if named or (unused and not blamed):
            used = named or unused
            names = ", ".join(each.name for each in used)
            self.notes.append(f"{names}: tried without first, as the example had loaded nothing of that here")
            return replace(
                wishes, loaded=[*(wishes.loaded or ()), *(m for each in used for m in each.modules)]
            )
        if not blamed:
            return None
        assert isinstance(outcome, CheckFailure)
        reason = "code outside of it imports it" if missing else outcome.summary
        self.notes.append(f"{blamed} was tried inside the package first: {reason}")
        return replace(wishes, failures={**wishes.failures, blamed: reason})

    def _attempt(self, aside: str, wishes: Wishes) -> _Attempt:
        """Write the package to the path `aside`.

        The model is pickled before it runs, so that what a run changes in it is in no package; its imports
        are followed after that, when all that it loads on demand is loaded.
        """
        importer = MainImporter(MainModule.here())
        main = importer.main
        exporter = PackingExporter(aside, importer=(importer, sys_importer))
        try:
            self._save(exporter)
            example = self._example(importer, exporter)
            started = time.monotonic()
            expected = self._expected()
            timeout = self.timeout or _TIMEOUT_S + _SLOWER * (time.monotonic() - started)
            if main.wanted:
                exporter.save_source_string(main.name, main.source())
            if self.arguments is not None:
                wishes = replace(wishes, loaded={*self.loaded, *sys.modules, *(wishes.loaded or ())})
            made = make_policy(exporter, wishes)
            if self._has_module_there(made):
                return self._attempt(aside, wishes)
            exporter.set_requires(required_versions(made, self.requires))
            _close(exporter)
        finally:
            exporter.abandon()
        request = CheckRequest(
            artifact=aside,
            hidden=tuple(sorted({*_hidden(made)})),
            shown=tuple(sorted({*_shown(made)})),
            hidden_distributions=tuple(sorted(each.name for each in _absent(made) if each.version)),
            example=example,
            renamed=main.name if main.wanted else "",
            # Where the package lands the standard library comes before what lies beside the user's script.
            search_path=tuple(dict.fromkeys([*standard_library(), *search_path()])),
            settings=TorchSettings.here(),
            timeout=timeout,
            record=f"{self.folder}/model.pkl",
        )
        return _Attempt(
            made=made,
            request=request,
            expected=expected,
            main=main if main.wanted else None,
            told=exporter.told,
        )

    def _example(self, importer: MainImporter, exporter: PackingExporter) -> bytes | None:
        """The arguments as a pickle; the modules that it refers to are needed in the package, too."""
        if self.arguments is None:
            return None
        modules: set[str] = set()

        def note(module: str, qualname: str) -> None:
            importer.note(module, qualname)
            modules.add(module)

        pickled = pickled_example(self.arguments, note)
        for module in sorted(modules - {MAIN}):
            exporter.add_dependency(module)
        return pickled

    def _save(self, exporter: PackingExporter) -> None:
        try:
            exporter.save_pickle(self.folder, "model.pkl", self.model)
        except UnpicklableError as error:
            raise PackError(
                "the model cannot be packed",
                facts=[("object", error.path), ("reason", _reason(error))],
                next_step=_next_step(error),
            ) from error
        if self.keeps_example and self.arguments is not None:
            exporter.save_pickle(self.folder, EXAMPLE, example_of(self.arguments))
        for name, data in self.resources.items():
            folder, _, resource = name.rpartition("/")
            exporter.save_binary(folder.replace("/", "."), resource, data)

    def _has_module_there(self, made: MadePolicy) -> bool:
        """Whether a module has the name of the folder of the pickle, which gets another one then.

        Nothing can lie below a module that is no package.
        """
        nodes = made.walk.closure.graph.nodes
        node = nodes.get(self.folder)
        if node is None or node.policy is not Policy.INTERN or node.is_package:
            return False
        self.folder = next(name for number in count(1) if (name := f"model_{number}") not in nodes)
        self.notes.append(
            f"a module is called {node.name}: load_pickle({self.folder!r}, 'model.pkl') gives the model"
        )
        return True

    def _expected(self) -> list[Leaf] | None:
        if self.arguments is None:
            return None
        self.loaded.update(sys.modules)
        try:
            return leaves_of(run(self.model, self.arguments))
        except Exception as error:
            raise PackError(
                "the example does not run here",
                facts=[("error", f"{type(error).__name__}: {error}")],
                next_step="give the arguments of a call that works: example=(x, y), or example={'x': x}",
            ) from error


def _close(exporter: PackingExporter) -> None:
    """Write the package. Raises PackError, with what an exporter says, for code that cannot be packed."""
    try:
        exporter.close()
    except PackagingError as error:
        raise PackError(
            "code that the model needs cannot be packed",
            snippet=str(error),
            next_step='give such a rule with policy=\'extern("lib.**")\', or a name with extern=["lib"]',
        ) from error


def _absent(made: MadePolicy) -> Iterator[Decision]:
    """What need not be installed where the package lands: what is packed, and what is optional."""
    return (each for each in made.decisions.values() if each.is_packed or each.is_optional)


def _hidden(made: MadePolicy) -> Iterator[str]:
    """The modules that a fresh process must not find: those that need not be there, with all below them."""
    places = [module for decision in _absent(made) for module in decision.modules]
    yield from (module for each in _absent(made) if not each.is_packed for module in each.modules)
    for node in made.walk.closure.graph.with_policy(Policy.INTERN):
        yield next((place for place in places if is_within(node.name, place)), node.name)


def _shown(made: MadePolicy) -> Iterator[str]:
    """What is left outside of packages that a fresh process must not find: it may find these modules."""
    hidden = {*_hidden(made)}
    for decision in made.decisions.values():
        if not decision.is_packed and not decision.is_optional:
            yield from (
                module for module in decision.modules if any(is_within(module, place) for place in hidden)
            )


def _blamed(outcome: CheckFailure | Comparison, decisions: Mapping[str, Decision]) -> str:
    """The packed distribution whose code failed, "" where it is the user's own, or none."""
    if not isinstance(outcome, CheckFailure):
        return ""
    for module in (outcome.missing, *outcome.modules):
        for decision in decisions.values():
            if decision.row == PURE and any(is_within(module, each) for each in decision.modules):
                return decision.name
    return ""


def _failure(outcome: CheckFailure | Comparison, notes: Sequence[str]) -> PackError:
    facts = [("tried", note) for note in notes]
    if isinstance(outcome, CheckFailure):
        if outcome.details:
            facts.append(("there", outcome.details))
        return PackError(
            f"the model does not run in its package: {outcome.summary}",
            facts=facts,
            next_step=outcome.remedy or 'leave the library that fails outside: extern=["its name"]',
        )
    return PackError(
        "the model gives other outputs in its package than here",
        facts=[*facts, *(("output", problem) for problem in outcome.problems)],
        next_step="give an example whose outputs depend on nothing but the arguments and the seeds",
    )


def _reason(error: UnpicklableError) -> str:
    """Why an object cannot be pickled: as this interpreter has it, where each importer says why."""
    told = [line for line in error.reason.splitlines() if line.startswith(_INTERPRETER)]
    return told[0].removeprefix(_INTERPRETER) if told else error.reason


def _next_step(error: UnpicklableError) -> str:
    if "<locals>" in error.reason or "inside the function" in error.reason:
        return "define it at the top of its module"
    if "lambda" in error.reason:
        return "write a function with a name at the top of a module in its place"
    return "take it out of the model before it is packed, or give its class a __getstate__ that leaves it out"


def _bytes_of(value: str | os.PathLike[str] | bytes) -> bytes:
    if isinstance(value, bytes):
        return value
    try:
        with open(value, "rb") as file:
            return file.read()
    except OSError as error:
        raise PackError(
            "a resource cannot be read",
            facts=[("file", os.fspath(value)), ("reason", error.strerror or str(error))],
        ) from error


@contextmanager
def _aside(path: str) -> Iterator[str]:
    """A path beside `path`, which errors name in its place; a file that is left there is removed."""
    aside = aside_path(os.path.dirname(os.path.abspath(path)))
    try:
        yield aside
    except HermpkgError as error:
        error.facts = tuple((name, path if value == aside else value) for name, value in error.facts)
        raise
    finally:
        with suppress(FileNotFoundError):
            os.unlink(aside)
