"""An MCP server of 2025-11-25 without the SDK, which starts in a moment: well-behaved, or hostile in one chosen way.

    python mcp_raw.py FILE [TRAIT…]

`task://queue` is the text of the FILE, read anew each time. Traits: see `TRAITS`.
"""

import json
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

TRAITS = {
    "paged": "task://queue{?limit,after} is there, two tasks a page",
    "linked": "paged, and each page has the whole URI of the next",
    "circle": "paged, and the last page leads to the first",
    "endless-pages": "paged, and each page leads to another one",
    "each": "task://{id} is there",
    "each-more": "each, and tells more of a task than the queue does",
    "each-later": "each, and tells more of a task that is in progress than the queue does",
    "each-owner": "each, and tells whose a task in progress is, which the queue does not",
    "each-late": "each, and tells a task for ever as it was when it was first asked for",
    "each-other": "each, and tells another task than the one that is asked for",
    "feed": "paged, and task://changes{?after} is there, marked as a change feed",
    "half-feed": "feed, and it tells of no task with an odd number",
    "wrong-total": "feed, and it counts one task too many",
    "tells": "its feed tells the events of the file FILE.events, of whatever changed",
    "moving": "paged, and while it is read a task is done that was read",
    "diary": "writes what is read to FILE.diary",
    "half": "subscribe, and only every second change is told",
    "relists": "instead of a change it tells that the list of its resources is another",
    "subscribe": "tells of changes of the file",
    "mute": "promises to tell of changes, and never does",
    "lists": "task://pending, task://current and task://completed are there, from the files FILE.pending, …",
    "no-tools": "has no tools",
    "versions": "its tools compare versions, and refuse what changed",
    "takes-id": "its add_task takes an id",
    "secret": "its start_task requires a secret",
    "liar": "its tools say that it is done, and do nothing",
    "refuses": "its tools answer with an error",
    "silent-tools": "its tools never answer",
    "deadly-tools": "it ends when a tool is called",
    "silent": "never answers anything",
    "silent-reads": "never answers a read",
    "stray": "prints lines that are no messages, before and between",
    "garbage": "prints lines that are no messages, for ever",
    "one-line": "prints one line, for ever",
    "chatty": "prints notifications, for ever",
    "loud": "writes to its standard error, for ever",
    "huge": "the queue is a text of 100 MB",
    "strange": "answers a read with what MCP does not have",
    "fails": "answers a read with an error",
    "blob": "the queue is no text",
    "exits": "ends at once, with a word",
    "dies": "ends at the first read",
    "deaf": "does not end when its input closes, nor when it is asked to",
    "terminal": "needs a terminal",
    "tells-environment": "the names of its environment are in the title of its one task",
}
EACH = {"each", "each-more", "each-later", "each-owner", "each-late", "each-other"}
FEED = {"feed", "half-feed", "wrong-total"}
traits = set(sys.argv[2:])
assert traits <= set(TRAITS), traits - set(TRAITS)
path = Path(sys.argv[1])
writing = threading.Lock()


def send(**message: Any) -> None:
    text = json.dumps({"jsonrpc": "2.0", **message})
    with writing:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()


def tell_of_changes() -> None:
    before = path.read_bytes()
    changes = 0
    while True:
        time.sleep(0.005)
        now = path.read_bytes()
        if now != before and now:
            before = now
            changes += 1
            if "relists" in traits:
                send(method="notifications/resources/list_changed")
            elif "half" not in traits or changes % 2:
                send(method="notifications/resources/updated", params={"uri": "task://queue"})


def tool(name: str, required: list[str], **optional: str) -> dict[str, Any]:
    kinds = {**dict.fromkeys(required, "string"), **optional}
    schema = {"type": "object", "properties": {key: {"type": kind} for key, kind in kinds.items()}}
    return {"name": name, "inputSchema": {**schema, "required": list(required)}}


def tools() -> list[dict[str, Any]]:
    if "no-tools" in traits:
        return []
    more = {"expect": "string"} if "versions" in traits else {}
    secret = ["secret"] if "secret" in traits else []
    ids = {"id": "string"} if "takes-id" in traits else {}
    return [
        tool("add_task", ["description"], priority="integer", max_attempts="integer", **ids),
        tool("start_task", ["task_id", *secret], **more),
        tool("complete_task", ["task_id", "result"], **more),
        tool("fail_task", ["task_id", "reason"], **more),
        tool("retry_task", ["task_id"], feedback="string", **more),
    ]


def call(name: str, arguments: dict[str, Any]) -> tuple[str, bool]:
    if "deadly-tools" in traits:
        os._exit(3)
    if "refuses" in traits:
        return "the queue is closed on Mondays", True
    document = json.loads(path.read_text())
    tasks = document["tasks"] if isinstance(document, dict) else document
    if "liar" in traits:
        return "Done!", False
    if name == "add_task":
        tasks.append({"id": arguments.get("id", "new"), "description": arguments["description"], "status": "pending"})
    else:
        task = next((task for task in tasks if str(task["id"]) == arguments["task_id"]), None)
        if task is None:
            return f"Task {arguments['task_id']} not found", False
        if "expect" in arguments and arguments["expect"] != str(task.get("version", "")):
            return "it changed meanwhile", True
        words = {"start_task": "in_progress", "complete_task": "completed", "fail_task": "failed"}
        key = "state" if "state" in task else "status"
        task[key] = words.get(name, "pending")
        if name == "complete_task":
            task["result"] = arguments["result"]
    path.write_text(json.dumps(document))
    return f"{name}: done", False


def pages(uri: str) -> str:
    after = uri.partition("after=")[2]
    tasks = json.loads(path.read_text())
    begin = int(after or 0)
    following = str(begin + 2) if begin + 2 < len(tasks) else "0" if "circle" in traits else None
    if "endless-pages" in traits:
        return json.dumps({"tasks": tasks[:1], "next": str(begin + 1)})
    if "moving" in traits and after == "2":
        path.write_text(json.dumps([{**tasks[0], "status": "completed"}, *tasks[1:]]))
    if "linked" in traits and following:
        following = f"task://queue?limit=2&after={following}"
    return json.dumps({"tasks": tasks[begin : begin + 2], "total": len(tasks), "next": following})


shots: list[dict[str, Any]] = []


def feed(after: str) -> str:
    now = {task["id"]: task for task in json.loads(path.read_text())}
    if not shots or shots[-1] != now:
        shots.append(now)
    told: dict[str, Any] = {"total": len(now) + ("wrong-total" in traits), "next": str(len(shots) - 1)}
    if after and int(after) >= len(shots):
        return json.dumps({"tasks": [], "gone": [], "complete": False, **told})
    if "tells" in traits:
        told["events"] = json.loads(path.with_suffix(".events").read_text())
    before = shots[int(after)] if after else now
    changed = [task for own, task in now.items() if task != before.get(own)]
    if "half-feed" in traits:
        changed = [task for task in changed if int(task["id"][-1]) % 2 == 0]
    return json.dumps({"tasks": changed, "gone": [own for own in before if own not in now], "complete": True, **told})


first: dict[str, Any] = {}


def one(own: str) -> str:
    task = next((task for task in json.loads(path.read_text()) if task["id"] == own), None)
    if "each-other" in traits:
        return json.dumps(json.loads(path.read_text())[-1])
    if task is None:
        raise ValueError("there is no such task")
    is_begun = task["status"] == "in_progress"
    if "each-more" in traits or ("each-later" in traits and is_begun):
        task["weather"] = "fine"
    if "each-owner" in traits and is_begun:
        task["owner"] = "ann"
    return json.dumps(first.setdefault(own, task) if "each-late" in traits else task)


def read(uri: str) -> str:
    if "diary" in traits:
        with path.with_suffix(".diary").open("a") as diary:
            diary.write(uri + "\n")
    if uri.startswith("task://changes"):
        return feed(uri.partition("after=")[2])
    if "huge" in traits:
        return "[" + " " * 100_000_000 + "]"
    if "?" in uri:
        return pages(uri)
    if uri == "task://queue":
        if "tells-environment" in traits:
            return json.dumps([{"id": "1", "title": " ".join(sorted(os.environ)), "state": "pending"}])
        return path.read_text()
    if traits & EACH:
        return one(uri.removeprefix("task://"))
    return path.with_suffix("." + uri.removeprefix("task://")).read_text()


def answer(method: str, params: dict[str, Any]) -> dict[str, Any]:
    if method == "initialize":
        resources = {"subscribe": bool(traits & {"subscribe", "mute", "half", "relists"})}
        info = {"name": "raw", "version": "1"}
        return {"protocolVersion": "2025-11-25", "capabilities": {"resources": resources}, "serverInfo": info}
    if method == "resources/list":
        names = ["queue", *(["pending", "current", "completed"] if "lists" in traits else [])]
        return {"resources": [{"uri": f"task://{name}", "name": name} for name in names]}
    if method == "resources/templates/list":
        paged = traits & {"paged", "linked", "circle", "endless-pages", "moving", *FEED}
        template = {"uriTemplate": "task://queue{?limit,after}", "name": "pages"}
        changes = {"uriTemplate": "task://changes{?after}", "name": "changes", "_meta": {"taskdeck/feed": 1}}
        each = {"uriTemplate": "task://{id}", "name": "each"}
        templates = [*([template] * bool(paged)), *([changes] * bool(traits & FEED)), *([each] * bool(traits & EACH))]
        return {"resourceTemplates": templates}
    if method == "tools/list":
        return {"tools": tools()}
    if method == "resources/subscribe":
        if traits & {"subscribe", "half", "relists"}:
            threading.Thread(target=tell_of_changes, daemon=True).start()
        return {}
    if method == "resources/read":
        if "dies" in traits:
            print("out of memory, or so", file=sys.stderr, flush=True)
            os._exit(7)
        if "strange" in traits:
            return {"contents": "none"}
        if "fails" in traits:
            raise ValueError("the\nqueue is on fire")
        if "blob" in traits:
            return {"contents": [{"uri": params["uri"], "blob": "AAAA"}]}
        return {"contents": [{"uri": params["uri"], "text": read(params["uri"])}]}
    if method == "tools/call":
        if "diary" in traits and "taskdeck/actor" in params.get("_meta", {}):
            path.with_suffix(".diary").write_text("who-calls")
        text, is_error = call(params["name"], params.get("arguments", {}))
        return {"content": [{"type": "text", "text": text}], "isError": is_error}
    raise LookupError(method)


def for_ever(what: Callable[[], object]) -> None:
    while True:
        what()


if "exits" in traits:
    sys.exit("no such database: /nowhere\x1b[31m")
if "terminal" in traits:
    open("/dev/tty")  # noqa: SIM115, PTH123
if "silent" in traits:
    time.sleep(1000)
if "garbage" in traits:
    for_ever(lambda: print("x" * 1000))
if "one-line" in traits:
    for_ever(lambda: sys.stdout.write("x" * 10_000))
if "chatty" in traits:
    log = {"level": "info", "data": "x" * 100}
    threading.Thread(target=for_ever, args=(lambda: send(method="notifications/message", params=log),)).start()
if "loud" in traits:
    threading.Thread(target=for_ever, args=(lambda: sys.stderr.write("x" * 100 + "\n"),)).start()
if "deaf" in traits:
    import signal

    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if "stray" in traits:
    print("Welcome to the server!\n{not json}\n", flush=True)

for line in sys.stdin:
    message = json.loads(line)
    if "id" not in message:
        continue
    method = message["method"]
    if {"resources/read": "silent-reads", "tools/call": "silent-tools"}.get(method) in traits:
        continue
    try:
        send(id=message["id"], result=answer(method, message.get("params") or {}))
    except (LookupError, ValueError) as error:
        code = -32601 if isinstance(error, LookupError) else -32000
        send(id=message["id"], error={"code": code, "message": str(error)})
    if "stray" in traits:
        print("served one\n\n[]\n\x00\x01", flush=True)
if "deaf" in traits:
    time.sleep(1000)
os._exit(0)
