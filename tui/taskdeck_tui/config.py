"""The user's keymap, from a TOML file."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from msgspec import Struct

from taskdeck_store.values import Json
from taskdeck_tui.folders import config_path
from taskdeck_tui.keys import BY_ID, KEYS, SCREENS, typed_in
from taskdeck_tui.safe import safe

_MODIFIERS = ("ctrl", "alt", "shift", "super", "hyper", "meta")
_NAMED = (
    *("enter", "escape", "space", "tab", "backspace", "delete", "insert"),
    *("up", "down", "left", "right", "home", "end", "pageup", "pagedown"),
    *(f"f{number}" for number in range(1, 25)),
)


class Config(Struct, frozen=True, kw_only=True):
    """What the user's file says.

    `keymap` holds the keys of what was bound anew, by id, parted by commas as Textual's `set_keymap` takes them.
    `problems` says in a sentence each what was wrong with the file; the defaults stand in for it.
    """

    keymap: Mapping[str, str] = {}
    problems: tuple[str, ...] = ()


def load_config(*, steps: bool = False) -> Config:
    """Read the user's file. A file or an entry that is wrong becomes a problem, never an error.

    Without `steps`, tasks are not stepped, and the keys for that are free for others.
    """
    path = config_path()
    try:
        text = path.read_bytes().decode()
    except (FileNotFoundError, NotADirectoryError):
        return Config()
    except OSError as error:
        return _unusable(path, f"cannot be read: {error.strerror}")
    except UnicodeDecodeError as error:
        return _unusable(path, f"is not UTF-8 (byte {error.start:,})")
    import tomllib

    try:
        tables = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        return _unusable(path, f"is not TOML: {error}")
    problems: list[str] = []
    for name in tables:
        if name != "keys":
            problems.append(f"{_line(text, name)}there is no [{name}]; the one table is [keys]")
    keys = tables.get("keys", {})
    if not isinstance(keys, dict):
        return _unusable(path, "has keys that are no table; begin it with [keys]")
    wanted: dict[str, tuple[str, ...]] = {}
    for id, value in keys.items():
        problem = _problem(id, value)
        if problem is None:
            wanted[id] = tuple(map(_textual_name, _listed(value)))
        else:
            problems.append(f"{_line(text, id)}{problem}")
    problems.extend(f"{_line(text, id)}{problem}" for id, problem in _drop_clashes(wanted, steps))
    return Config(
        keymap={id: ",".join(keys) for id, keys in wanted.items()},
        problems=tuple(safe(f"{path.name} {problem}") for problem in problems),
    )


def _unusable(path: Path, problem: str) -> Config:
    return Config(problems=(safe(f"{path} {problem}; the default keys are used"),))


def _line(text: str, name: str) -> str:
    found = re.search(rf'^\s*\[?\s*["\']?{re.escape(name)}["\']?\s*[=\].]', text, re.MULTILINE)
    return f"line {text.count(chr(10), 0, found.end()) + 1}: " if found else ""


def _problem(id: str, value: Json) -> str | None:
    if id not in BY_ID:
        from difflib import get_close_matches

        nearest = get_close_matches(id.lower(), BY_ID, n=1, cutoff=0.5)
        return f"there is no key named {id}; {f'did you mean {nearest[0]}?' if nearest else 'press ? for their names'}"
    keys = _listed(value)
    if not keys or not all(isinstance(key, str) for key in keys):
        return f'{id} must be a key or a list of keys, as in {id} = "{BY_ID[id].keys[0]}"'
    for key in keys:
        problem = _wrong_key(id, key)
        if problem is not None:
            return problem
    return None


def _listed(value: Json) -> list[Json]:
    return value if isinstance(value, list) else [value]


def _wrong_key(id: str, key: str) -> str | None:
    *modifiers, base = [key] if len(key) == 1 else key.lower().split("+")
    if len(key) == 1 and key.isprintable():
        if typed_in(BY_ID[id]):
            return f"{id} works while text is typed, so {key!r} cannot be its key; add ctrl+ or alt+"
        return None
    if "shift" in modifiers and len(base) == 1:
        return f"{id}: write {base.upper()!r} for {key!r}"
    simple = len(base) == 1 and base.isascii() and base.isalnum()
    if all(modifier in _MODIFIERS for modifier in modifiers) and (base in _NAMED or (simple and modifiers)):
        return None
    return f"{id}: {key!r} is no key; write one character, or a name such as enter, f5, pageup, ctrl+r"


def _textual_name(key: str) -> str:
    if len(key) > 1:
        return key.lower()
    return {",": "comma", " ": "space"}.get(key, key)


def _drop_clashes(wanted: dict[str, tuple[str, ...]], steps: bool) -> Iterator[tuple[str, str]]:
    """Take out of `wanted` what would leave two things on one key of a screen, and tell of each."""
    while (clash := _clash(wanted, steps)) is not None:
        key, one, other = clash
        dropped = max((id for id in (one, other) if id in wanted), key=list(wanted).index)
        kept = other if dropped == one else one
        del wanted[dropped]
        yield dropped, f"{key!r} cannot be {dropped}, it is {kept}; {dropped} stays on {' '.join(BY_ID[dropped].keys)}"


def _clash(wanted: Mapping[str, tuple[str, ...]], steps: bool) -> tuple[str, str, str] | None:
    for scopes in SCREENS.values():
        owners: dict[str, str] = {}
        for spec in KEYS:
            if set(spec.scopes).isdisjoint(scopes) or (not steps and "stepping" in spec.scopes):
                continue
            for key in wanted.get(spec.id, tuple(map(_textual_name, spec.keys))):
                owner = owners.setdefault(key, spec.id)
                if owner != spec.id:
                    return key, owner, spec.id
    return None
