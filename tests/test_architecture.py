"""The rules of the architecture: what may import what, and what a plain command may load."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import taskdeck_store
import taskdeck_tui

STORE = Path(taskdeck_store.__file__).parent
TUI = Path(taskdeck_tui.__file__).parent

LOWER = ("values", "limits", "clock", "jsontext", "validity", "machine", "query", "contract")
"""The store's modules that build on each other, each only on those to its left."""

FRONT = ("", "address", "backup", "bundle", "convert", "kinds", "observed", "readable", "salvage")
"""The store's modules that know every backend, to choose the right one."""

HEAVY = ("textual", "rich", "watchfiles", "asyncio", "shtab")


def modules(root: Path) -> dict[str, Path]:
    """Return the files of a package by the dotted name of their module."""
    found = {}
    for path in root.rglob("*.py"):
        parts = path.relative_to(root.parent).with_suffix("").parts
        found[".".join(parts).removesuffix(".__init__")] = path
    return found


MODULES = {**modules(STORE), **modules(TUI)}
BACKENDS = {name.split(".")[1] for name in MODULES if name.startswith("taskdeck_store.") and name.endswith(".store")}


def imports(path: Path, *, at_load: bool = False) -> Iterator[str]:
    """Yield the dotted names that a file imports; with `at_load`, only what is imported when the file is."""
    nodes: list[ast.AST] = list(ast.parse(path.read_text(encoding="utf-8")).body)
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield whole if whole in MODULES else str(node.module)
        elif at_load and (isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or _for_types_alone(node)):
            continue
        nodes.extend(ast.iter_child_nodes(node))


def _for_types_alone(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


def inside(name: str, *packages: str) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def part(name: str) -> str:
    """Return which part of the store a module belongs to; '' for the package itself."""
    return [*name.split("."), ""][1]


def each(*packages: str) -> list[str]:
    return sorted(name for name in MODULES if inside(name, *packages))


def test_the_rules_see_the_code() -> None:
    assert "taskdeck_store.machine" in set(imports(MODULES["taskdeck_store.contract"]))
    assert "argparse" in set(imports(MODULES["taskdeck_tui.cli.parser"], at_load=True))
    assert {"sqlite", "jsonfile"} <= BACKENDS


@pytest.mark.parametrize("name", each("taskdeck_store"))
def test_the_store_never_imports_the_terminal_app(name: str) -> None:
    assert not [found for found in imports(MODULES[name]) if inside(found, "taskdeck_tui", "textual", "rich")]


@pytest.mark.parametrize("name", each("taskdeck_store"))
def test_within_the_store_imports_go_one_way(name: str) -> None:
    own = part(name)
    used = {part(found) for found in imports(MODULES[name]) if inside(found, "taskdeck_store")} - {own}
    if own in LOWER:
        allowed = set(LOWER[: LOWER.index(own)])
    elif own in FRONT:
        allowed = {part(module) for module in each("taskdeck_store")}
    else:
        allowed = {part(module) for module in each("taskdeck_store")} - BACKENDS - {*FRONT}
    assert used <= allowed


@pytest.mark.parametrize("name", each("taskdeck_store"))
def test_a_driver_is_known_to_its_backend_alone(name: str) -> None:
    drivers = {"apsw": ("sqlite", "minna", "sources"), "yaml": ("sources",), "psycopg": ("postgres",), "mcp": ("mcp",)}
    foreign = ["sqlite3", *(driver for driver, users in drivers.items() if part(name) not in users)]
    assert not [found for found in imports(MODULES[name]) if inside(found, *foreign)]


@pytest.mark.parametrize("name", each("taskdeck_store"))
def test_a_store_is_loaded_when_it_is_opened(name: str) -> None:
    if part(name) not in BACKENDS:
        at_load = imports(MODULES[name], at_load=True)
        assert not [found for found in at_load if part(found) in BACKENDS and inside(found, "taskdeck_store")]


@pytest.mark.parametrize("name", each("taskdeck_tui.cli", "taskdeck_tui.model"))
def test_neither_the_command_line_nor_the_model_knows_textual(name: str) -> None:
    assert not [found for found in imports(MODULES[name]) if inside(found, "textual", "rich")]


@pytest.mark.parametrize("name", each("taskdeck_tui.model"))
def test_the_model_knows_no_view(name: str) -> None:
    used = {found for found in imports(MODULES[name]) if inside(found, "taskdeck_tui")}
    plain = ("taskdeck_tui.model", "taskdeck_tui.safe", "taskdeck_tui.span", "taskdeck_tui.glyphs")
    assert not [found for found in used if not inside(found, *plain)]


@pytest.mark.parametrize("name", each("taskdeck_tui.cli"))
def test_the_command_line_loads_a_screen_only_to_open_it(name: str) -> None:
    used = {found for found in imports(MODULES[name], at_load=True) if inside(found, "taskdeck_tui")}
    words = (
        "taskdeck_tui.safe",
        "taskdeck_tui.span",
        "taskdeck_tui.glyphs",
        "taskdeck_tui.telling",
        "taskdeck_tui.steps",
    )
    plain = ("taskdeck_tui.cli", *words)
    assert not [found for found in used - {"taskdeck_tui"} if not inside(found, *plain)]


@pytest.mark.parametrize("name", sorted(MODULES))
def test_a_module_is_named_for_its_idea(name: str) -> None:
    assert not {"util", "utils", "helper", "helpers", "common", "manager", "misc"} & set(name.split("."))


@pytest.mark.parametrize("package", [STORE, TUI])
def test_both_packages_are_typed(package: Path) -> None:
    assert (package / "py.typed").is_file()


def loaded_by(code: str) -> set[str]:
    report = f"import sys, json\n{code}\nprint(json.dumps(sorted(sys.modules)), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", report], capture_output=True, text=True, check=True)
    return set(json.loads(done.stderr))


def test_what_is_heavy_is_seen_when_it_is_loaded() -> None:
    assert set(HEAVY) <= loaded_by(f"import {', '.join(HEAVY)}")


def test_importing_the_command_line_loads_nothing_heavy() -> None:
    assert not loaded_by("import taskdeck_tui.cli.main") & set(HEAVY)


@pytest.mark.parametrize("name", ["tasks.db", "tasks.json"])
def test_a_plain_command_loads_nothing_heavy(name: str, tmp_path: Path) -> None:
    store = str(tmp_path / name)
    taskdeck_store.create_store(store)
    looks = (["list", store], ["show", store, "t-1"], ["log", store], ["stats", store], ["replay", store, "t-1"])
    for words in (["add", store, "a task", "--id", "t-1"], *looks, ["replay", store, "t-1", "--markdown"]):
        loaded = loaded_by(f"from taskdeck_tui.cli.main import main\nassert main({words!r}) == 0")
        assert "taskdeck_tui.cli.main" in loaded
        assert not loaded & set(HEAVY)


def test_reading_one_kind_of_store_does_not_load_the_other(tmp_path: Path) -> None:
    store = str(tmp_path / "tasks.json")
    taskdeck_store.create_store(store)
    assert "apsw" not in loaded_by(f"from taskdeck_tui.cli.main import main\nassert main(['list', {store!r}]) == 0")
