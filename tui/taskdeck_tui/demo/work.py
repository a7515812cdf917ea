"""One piece of the demo team's work, drawn from the catalogue: what a task says, its result, its error."""

from __future__ import annotations

from random import Random
from string import Formatter

from taskdeck_store.values import Json
from taskdeck_tui.demo.catalogue import KINDS, Kind, Report

_KIND_OF = {kind.name: kind for kind in KINDS}
_PRIORITIES = (1, 2, 3, 3, 4, 5, 5, 5, 5, 5, 5, 6, 7, 8)


def draw(random: Random) -> tuple[str, dict[str, Json]]:
    """Return the area of a new task (what its id begins with) and its fields, as `add` takes them."""
    kind = random.choice(KINDS)
    slots = {name: random.choice(names) for name, names in sorted(kind.slots.items())}
    fields: dict[str, Json] = {
        "title": _filled(random.choice(kind.titles), slots, random),
        "description": _sentence(_filled(kind.description, slots, random)),
        "priority": random.choice(_PRIORITIES),
        "tags": list(kind.tags),
        "data": {"kind": kind.name, **slots},
    }
    return kind.area, fields


def result_of(data: Json, random: Random) -> Json:
    """Return what an agent hands in for a task with this data: a JSON object or list, or Markdown text."""
    kind, slots = _read(data)
    if kind is None:
        return "Done."
    if kind.report is Report.TEXT:
        return _sentence(_filled(kind.text, slots, random))
    if kind.report is Report.ROWS:
        return _rows(slots, random)
    if kind.report is Report.FINDINGS:
        return _findings(slots, random)
    return _code_change(kind, slots, random)


def error_of(data: Json, random: Random) -> str:
    """Return why an agent gives up a task with this data."""
    kind, slots = _read(data)
    if kind is None:
        return "the agent ended without a result (exit 1)"
    return _filled(random.choice(kind.errors), slots, random)


def _read(data: Json) -> tuple[Kind | None, dict[str, str]]:
    if not isinstance(data, dict):
        return None, {}
    kind = _KIND_OF.get(str(data.get("kind")))
    if kind is None or not kind.slots.keys() <= data.keys():
        return None, {}
    return kind, {name: str(data[name]) for name in kind.slots}


def _filled(template: str, slots: dict[str, str], random: Random) -> str:
    known = dict(slots)
    if "service" in slots:
        known["package"] = slots["service"].replace("-", "_")
    parts = []
    for literal, name, same, _ in Formatter().parse(template):
        parts.append(literal)
        if name is None:
            continue
        place = f"{name}:{same}" if same else name
        value = known.get(place) or _number(name, random)
        if same:
            known[place] = value
        parts.append(value)
    return "".join(parts)


def _number(name: str, random: Random) -> str:
    match name:
        case "few":
            return str(random.randint(2, 9))
        case "some":
            return str(random.randint(11, 98))
        case "many":
            return str(random.randint(120, 980))
        case "lots":
            return f"{random.randint(12_000, 980_000):,}"
        case "hex":
            return _hex(random)
    raise KeyError(name)


def _hex(random: Random) -> str:
    return f"{random.getrandbits(28):07x}"


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _code_change(kind: Kind, slots: dict[str, str], random: Random) -> Json:
    subject = next(slots[name] for name in ("bug", "feature", "library", "module", "page") if name in slots)
    words = [word for word in subject.lower().split() if word not in ("a", "an", "the")]
    package = slots["service"].replace("-", "_")
    suffix = "ts" if kind.area == "web" else "py"
    return {
        "branch": f"{kind.name}/{'-'.join(words[:4])}",
        "commit": _hex(random),
        "files": [f"src/{package}/{name}.{suffix}" for name in random.sample(_FILES, random.randint(1, 3))],
        "lines": {"added": random.randint(14, 320), "removed": random.randint(0, 180)},
        "tests": {"passed": random.randint(140, 900), "failed": 0, "skipped": random.randint(0, 4)},
        "coverage": round(random.uniform(84, 98), 1),
        "summary": random.choice(_FIXED if kind.name == "fix" else _CHANGED),
    }


_FILES = ("handlers", "models", "client", "cursor", "settings", "retry", "schema", "views")
_FIXED = (
    "The cause was a value read before the lock was taken. Fixed, with a test that failed before.",
    "Two callers disagreed about the unit. Both now say it in the type; the test covers the report.",
    "An early return skipped the clean-up. The new test fails without the fix.",
)
_CHANGED = (
    "Small change; most of the diff is tests. Nothing public moved.",
    "Done as described. One old function had no caller left and is gone.",
    "Works, and is 18 % faster on the way. Please look at the second commit with care.",
)


def _rows(slots: dict[str, str], random: Random) -> Json:
    read = random.randint(40_000, 900_000)
    rejected = {"missing key": random.randint(0, 90), "not a date": random.randint(0, 40)}
    return {
        "table": slots["table"],
        "period": slots["period"],
        "rows_read": read,
        "rows_written": read - sum(rejected.values()),
        "rejected": rejected,
        "seconds": round(random.uniform(20, 700), 1),
        "dry_run": False,
    }


def _findings(slots: dict[str, str], random: Random) -> Json:
    return [
        {
            "id": f"{slots['scanner'][:3].upper()}-{random.randint(1000, 9999)}",
            "severity": random.choice(("low", "medium", "high")),
            "verdict": random.choice(("real", "not reachable", "wrong")),
            "where": f"{slots['service']}/{random.choice(_FILES)}.py:{random.randint(8, 400)}",
        }
        for _ in range(random.randint(3, 6))
    ]
