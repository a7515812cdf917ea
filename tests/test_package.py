"""The wheel: what is in it, and that it works away from the checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import taskdeck_tui

ROOT = Path(__file__).parents[1]

_IMPORT_ALL = """
import importlib, pkgutil
for name in ("taskdeck_store", "taskdeck_tui"):
    package = importlib.import_module(name)
    print(package.__file__)
    for module in pkgutil.walk_packages(package.__path__, name + "."):
        if not module.name.endswith(".__main__"):
            print(importlib.import_module(module.name).__file__)
"""


def _run(*words: str | Path, cwd: Path) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PIP_"))}
    done = subprocess.run(words, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def test_the_wheel_holds_both_packages_and_works_outside_the_checkout(tmp_path: Path) -> None:
    _run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path / "dist", cwd=ROOT)
    (wheel,) = (tmp_path / "dist").glob("taskdeck-*.whl")
    held = set(zipfile.ZipFile(wheel).namelist())

    wanted = {
        path.relative_to(source).as_posix()
        for source in (ROOT / "store", ROOT / "tui")
        for path in source.rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    assert {"taskdeck_store/py.typed", "taskdeck_tui/py.typed", "taskdeck_tui/cli/main.py"} <= wanted
    assert {name for name in held if ".dist-info/" not in name} == wanted
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in held)

    away = tmp_path / "away"
    venv.create(away, with_pip=True)
    python = away / ("Scripts" if os.name == "nt" else "bin") / "python"
    _run(python, "-m", "pip", "install", "-q", "--no-deps", "--no-index", wheel, cwd=tmp_path)
    # What it depends on comes from here, without a network; an editable install of ours is not followed from a .pth.
    packages = Path(_run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=tmp_path).strip())
    elsewhere = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (packages / "dependencies.pth").write_text("\n".join(elsewhere))

    assert _run(python.parent / "taskdeck", "--version", cwd=tmp_path).strip() == f"taskdeck {taskdeck_tui.__version__}"
    imported = _run(python, "-P", "-c", _IMPORT_ALL, cwd=tmp_path).splitlines()
    assert len(imported) >= sum(name.endswith(".py") and "__main__" not in name for name in wanted)
    assert [path for path in imported if not Path(path).is_relative_to(away)] == []
