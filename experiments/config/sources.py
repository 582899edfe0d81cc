"""The sources that a stage runs, as one digest: its own files, what they import however deep, and what a `_target_` of
its config names, a package of the user's own (PRUNING_TARGETS) included.

Hashed as syntax trees, so that comments and docstrings, which change no number, throw nothing away. No code is run.
"""

import ast
import hashlib
import importlib.util
import sysconfig
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.machinery import ModuleSpec, PathFinder
from importlib.metadata import packages_distributions, version
from itertools import takewhile
from pathlib import Path
from typing import NamedTuple

from experiments.config.node import KEY, leaves
from experiments.config.targets import lies_in, own_packages
from experiments.system.checkout import ROOT

OURS = ("pruning", "datamodules", "experiments")
PUBLIC = "pruning"  # its __init__ re-exports on demand: whoever needs a part imports it from its own module
# Files and whole rooms by themselves; what else they import is the programme's (locks, records, the terminal) and
# changes no number
WITHOUT_IMPORTS = {
    "baseline": (
        "experiments.trainer",
        "experiments.run",
        "pruning.graph.cost",
        "pruning.graph.tracing",
        "pruning.lightning.processes",
        "pruning.modes",
    ),
    "prune": ("experiments.pipeline",),
    "finetune": (),
    "run": ("experiments.evaluate", "experiments.records.record", "pruning.files.export"),
    "table": ("experiments.table", "experiments.run.repair", "experiments.run.selection", "pruning.graph.cost"),
}
# With all that they import
WITH_IMPORTS = {
    "baseline": ("pruning.training.task",),
    "prune": ("pruning.lightning.steps", "pruning.budget.rounds"),
    "finetune": ("pruning.surgery", "pruning.surgery.expand", "pruning.repair.registry", "pruning.methods.masked"),
    "run": ("pruning.files.artifact",),
    "table": (
        *("pruning.surgery", "pruning.repair.registry"),
        *("pruning.methods.l1", "pruning.methods.random", "pruning.methods.criteria"),
    ),
}
APART = "table"  # of no run: counts its own alone
SAME_SOURCES = {"scratch": "finetune", "scratch_tune": "finetune", "sweep": "run"}


class File(NamedTuple):
    digest: str
    imports: tuple[str, ...]  # dotted names, of which some may be no modules


def digest_of_stage(stage: str, config: Mapping[str, object], root: Path = ROOT) -> str:
    """`config`: as far as the stage has seen it."""
    content = sorted((portable_name(path, root), parse(path).digest) for path in files(stage, config, root))
    return hashlib.sha256(repr(content).encode()).hexdigest()


def files(stage: str, config: Mapping[str, object], root: Path) -> set[Path]:
    """A stage counts what the stages before it do."""
    followed = [
        path
        for dotted in modules_up_to(WITH_IMPORTS, stage) + target_names(config)
        for path in modules_of(dotted, root)
    ]
    alone = {path for dotted in modules_up_to(WITHOUT_IMPORTS, stage) for path in source_files_of(dotted, root)}
    return follow_imports(followed, root) | alone


def source_files_of(dotted: str, root: Path) -> Iterator[Path]:
    """A module's file; of a folder every file, with __init__.py or without."""
    path = locate(dotted, root)
    if path is not None:
        yield from path.parent.rglob("*.py") if path.name == "__init__.py" else [path]
    elif (spec := find_spec(dotted)) and spec.origin is None:
        yield from (file for folder in spec.submodule_search_locations or () for file in Path(folder).rglob("*.py"))


def modules_up_to(table: Mapping[str, tuple[str, ...]], stage: str) -> list[str]:
    if stage == APART:
        return list(table[stage])
    stages = [name for name in table if name != APART]
    upto = stages.index(SAME_SOURCES.get(stage, stage))
    return [dotted for earlier in stages[: upto + 1] for dotted in table[earlier]]


def target_names(config: Mapping[str, object]) -> list[str]:
    """What a config names and may be run: of our own rooms, or of a package that the user allows."""
    targets = [str(target) for path, target in leaves(config) if path.rpartition(".")[2] == KEY]
    return [target for target in targets if lies_in(target, [*OURS, *own_packages()])]


def libraries(config: Mapping[str, object]) -> dict[str, str]:
    """Versions of what the user's own code imports and nobody here has written."""
    own_code = [target for target in target_names(config) if not lies_in(target, [*OURS])]
    code = follow_imports([path for target in own_code for path in modules_of(target, ROOT)], ROOT)
    tops = {module.partition(".")[0] for path in code for module in parse(path).imports}.difference(OURS)
    by_module = distributions() if code else {}
    return {library: version(library) for top in sorted(tops) for library in sorted(by_module.get(top, ()))}


@cache
def distributions() -> Mapping[str, list[str]]:
    """By the top-level names that they bring; a quarter of a second, since all their lists of files are read."""
    return packages_distributions()


def follow_imports(ahead: list[Path], root: Path) -> set[Path]:
    """These files, and those behind all that they import; libraries apart."""
    files: set[Path] = set()
    while ahead:
        path = ahead.pop()
        if path not in files:
            files.add(path)
            followed = () if path == locate(PUBLIC, root) else parse(path).imports
            ahead += [module for name in followed for module in modules_of(name, root)]
    return files


def modules_of(dotted: str, root: Path) -> Iterator[Path]:
    """The modules on the way to a name, packages first: importing runs each of them. Of a package of the user's own
    every file, since it may import its parts by other means."""
    parts = dotted.split(".")
    for length in range(1, len(parts) + 1):
        path = locate(".".join(parts[:length]), root)
        if path is not None and (parts[0] in OURS or not is_library(path)):
            yield path
    for own in own_packages():
        if lies_in(dotted, [own]):
            yield from source_files_of(own, root)


@cache
def is_library(path: Path) -> bool:
    python = [sysconfig.get_path(kind) for kind in ("stdlib", "platstdlib")]
    return bool({"site-packages", "dist-packages"} & set(path.parts)) or any(map(path.is_relative_to, python))


@cache
def locate(module: str, root: Path = ROOT) -> Path | None:
    """Its source file; None for what is none: built in, compiled, a name within a module."""
    room = module.partition(".")[0]
    if room in OURS:  # of an installed program the root lies within `pruning`
        base = (root if (root / room).is_dir() else root.parents[1]) / module.replace(".", "/")
        return next((path for path in (base.with_suffix(".py"), base / "__init__.py") if path.is_file()), None)
    spec = find_spec(module)
    return Path(spec.origin) if spec and spec.origin and spec.origin.endswith(".py") else None


@cache
def find_spec(module: str) -> ModuleSpec | None:
    """Without importing the packages above it, which importlib's own way would do."""
    above, _, _ = module.rpartition(".")
    try:
        if not above:
            return importlib.util.find_spec(module)
        package = find_spec(above)
        return PathFinder.find_spec(module, package.submodule_search_locations) if package else None
    except (ImportError, ValueError):
        return None


@cache
def parse(path: Path) -> File:
    """Once in a process: what it runs was read when it began."""
    return parse_text(path.read_bytes(), package(path))


@cache
def parse_text(text: bytes, within: tuple[str, ...]) -> File:
    tree = ast.parse(text)
    imports = tuple(dict.fromkeys(imported_names(tree, within)))
    return File(hashlib.sha256(ast.dump(strip_docstrings(tree)).encode()).hexdigest(), imports)


def package(path: Path) -> tuple[str, ...]:
    """The names of the packages that a file lies in, outermost first."""
    folders = takewhile(lambda folder: (folder / "__init__.py").is_file(), path.parents)
    return tuple(folder.name for folder in folders)[::-1]


def imported_names(tree: ast.Module, within: tuple[str, ...]) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = within[: len(within) - node.level + 1] if node.level else ()
            module = ".".join([*above, *([node.module] if node.module else [])])
            yield from (f"{module}.{alias.name}" for alias in node.names)


def strip_docstrings(tree: ast.Module) -> ast.Module:
    """Without docstrings."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            node.body = [statement for statement in node.body if not is_text(statement)]
    return tree


def is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def portable_name(path: Path, root: Path) -> str:
    """Of our files the place, of others the name: where a user's package lies is no part of it."""
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else "/".join([*package(path), path.name])
