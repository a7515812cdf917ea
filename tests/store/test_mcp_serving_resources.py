"""The resources of a served store, read and followed by the official client in both eras of the protocol."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import mcp_types as types
import pytest
from mcp import Client
from mcp.shared.exceptions import MCPError
from mcp_stage import ERAS, Asked, asking, made

from taskdeck_store import Action, Pausing, State, command, open_store
from taskdeck_store.contract import Change
from taskdeck_store.mcp.serving.places import place, touched
from taskdeck_store.mcp.serving.server import Served

pytestmark = pytest.mark.filterwarnings("ignore::mcp.MCPDeprecationWarning")


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("name", ["q.db", "q.json"])
async def test_what_there_is_to_read(name: str, era: str, tmp_path: Path) -> None:
    address = made(tmp_path / name, "a", "b")
    async with asking(address, era) as asked:
        listed = (await asked.client.list_resources()).resources
        assert [one.uri for one in listed] == ["task://queue", "task://current", "task://stats"]
        templates = (await asked.client.list_resource_templates()).resource_templates
        assert [one.uri_template for one in templates] == [
            "task://queue{?state,query,limit,after}",
            "task://changes{?after}",
            "task://{id}",
            "task://{id}/log{?after,limit}",
        ]
        assert [one.uri_template for one in templates if (one.meta or {}).get("taskdeck/feed") == 1] == [
            "task://changes{?after}"
        ]
        queue = await asked.read("task://queue")
        assert [(task["id"], task["title"], task["state"], task["status"]) for task in queue["tasks"]] == [
            ("a", "task a", "pending", "pending"),
            ("b", "task b", "pending", "pending"),
        ]
        assert (queue["total"], queue["next"]) == (2, None)
        assert (await asked.read("task://current"))["tasks"] == []
        await asked.call("start", task_id="b")
        assert [task["id"] for task in (await asked.read("task://current"))["tasks"]] == ["b"]
        stats = await asked.read("task://stats")
        assert {state: stats[state] for state in State} == {
            "pending": 1,
            "in_progress": 1,
            "review": 0,
            "completed": 0,
            "failed": 0,
        }
        assert (stats["total"], stats["blocked"], stats["overdue"], stats["paused"]) == (2, 0, 0, [])
        task = await asked.read("task://b")
        assert (task["id"], task["owner"], task["cut"]) == ("b", "mcp:tester", [])
        log = await asked.read("task://b/log")
        assert [event["action"] for event in log["events"]] == ["add", "start"]
        assert log["next"] is None


async def test_a_queue_is_read_a_page_at_a_time(tmp_path: Path) -> None:
    ids = [f"t-{number:03}" for number in range(250)]
    address = made(tmp_path / "q.db", *ids)
    store = open_store(address)
    store.apply([command(one, Action.START, actor="ann") for one in ids[:100:2]])
    store.close()
    async with asking(address) as asked:
        pages = []
        uri: str | None = "task://queue"
        while uri is not None:
            page = await asked.read(uri)
            assert page["total"] == 250
            pages.append([task["id"] for task in page["tasks"]])
            uri = page["next"]
        assert [len(page) for page in pages] == [200, 50]
        assert [one for page in pages for one in page] == ids[1:100:2] + ids[100:] + ids[:100:2]

        page = await asked.read("task://queue?state=in_progress&limit=3&query=id%3At-00*")
        assert [task["id"] for task in page["tasks"]] == ["t-000", "t-002", "t-004"]
        page = await asked.read(page["next"])
        assert [task["id"] for task in page["tasks"]] == ["t-006", "t-008"]
        assert (page["total"], page["next"]) == (5, None)

        listed = await asked.call("list", state="in_progress", limit=49)
        rest = await asked.call("list", state="in_progress", limit=49, after=listed["next"])
        assert [task["id"] for task in rest["tasks"]] == ["t-098"]


async def test_no_answer_is_larger_than_clients_take_and_what_is_left_out_is_named(tmp_path: Path) -> None:
    address = made(tmp_path / "q.db")
    store = open_store(address)
    store.apply(
        [
            command(f"t-{number}", Action.ADD, actor="x", title="t", description='"\x01é😀' * 2_000, data=["é" * 7_000])
            for number in range(40)
        ]
    )
    store.apply([command("big", Action.ADD, actor="x", title="t", description="x" * 2_000_000, tags=["y"] * 500)])
    async with asking(address) as asked:
        sizes = []
        uri: str | None = "task://queue"
        found = []
        while uri is not None:
            read = await asked.client.read_resource(uri)
            sizes.append(len(read.model_dump_json().encode("ascii", "backslashreplace")))
            page = await asked.read(uri)
            found += page["tasks"]
            uri = page["next"]
        assert len(found) == 41
        assert len(sizes) > 2
        assert max(sizes) < 1024 * 1024
        [big] = [task for task in found if task["id"] == "big"]
        assert big["cut"] == ["description", "tags"]
        assert len(big["description"]) == 8_001
        whole = await asked.read("task://big")
        assert (len(whole["description"]), len(whole["tags"]), whole["cut"]) == (2_000_000, 500, [])
        assert len((await asked.call("show", task_id="big"))["task"]["description"]) == 2_000_000
        [listed] = (await asked.call("list", query="id:big"))["tasks"]
        assert len(listed["description"]) == 401
        [event] = (await asked.read("task://big/log"))["events"]
        assert event["cut"] == ["changes.description"]
    store.close()


@pytest.mark.parametrize("name", ["q.db", "q.json"])
async def test_a_feed_tells_what_changed_since_a_cursor(name: str, tmp_path: Path) -> None:
    address = made(tmp_path / name, "a", "b", "c")
    store = open_store(address)
    store.apply([command("d", Action.ADD, actor="x", title="d", depends_on=["a"])])
    async with asking(address) as asked:

        async def since(cursor: str) -> tuple[dict[str, Any], str]:
            told = await asked.read(f"task://changes?after={quote(cursor)}")
            assert told["complete"]
            return {task["id"]: task for task in told["tasks"]} | dict.fromkeys(told["gone"]), told["next"]

        begin = await asked.read("task://changes")
        assert (begin["tasks"], begin["gone"], begin["total"], begin["complete"]) == ([], [], 4, True)
        assert await since(begin["next"]) == ({}, begin["next"])
        store.apply([command("b", Action.START, actor="x"), command("e", Action.ADD, actor="x", title="e")])
        found, cursor = await since(begin["next"])
        queue = {task["id"]: task for task in (await asked.read("task://queue"))["tasks"]}
        assert found == {one: queue[one] for one in ("b", "e")}
        store.pause(Pausing(query="", actor="ann", operation="1", note="wait"))
        found, cursor = await since(cursor)
        assert found == {}
        store.apply([command("a", action, actor="x") for action in (Action.START, Action.SUBMIT, Action.APPROVE)])
        found, later = await since(cursor)
        assert {one: task["blocked"] for one, task in found.items()} == {"a": 0, "d": 0}
        assert (await since(later))[0] == {}
        if name == "q.json":
            path = Path(address)
            path.write_text(json.dumps([task for task in json.loads(path.read_text()) if task["id"] != "c"]))
            found, later = await since(later)
            assert found == {"c": None}
        for number in range(3):
            store.apply([command(f"n{number}-{one}", Action.ADD, actor="x", title="n") for one in range(400)])
        for wrong in (later, "nope", begin["next"][::-1]):
            told = await asked.read(f"task://changes?after={quote(wrong)}")
            assert not told["complete"]
            assert await since(told["next"]) == ({}, told["next"])
    store.close()


async def test_a_log_is_read_a_page_at_a_time(tmp_path: Path) -> None:
    address = made(tmp_path / "q.db", "a")
    async with asking(address) as asked:
        for number in range(5):
            await asked.call("edit", task_id="a", priority=number + 10, note=f"n{number}")
        page = await asked.read("task://a/log?limit=4")
        assert [event["note"] for event in page["events"]] == [None, "n0", "n1", "n2"]
        page = await asked.read(page["next"])
        assert [event["note"] for event in page["events"]] == ["n3", "n4"]
        assert page["next"] is None
        last = await asked.call("log", limit=2)
        assert [event["note"] for event in last["events"]] == ["n3", "n4"]
        first = await asked.call("log", after=0, limit=2)
        assert [event["note"] for event in first["events"]] == [None, "n0"]
        rest = await asked.call("log", after=first["next"])
        assert [event["note"] for event in rest["events"]] == ["n1", "n2", "n3", "n4"]


@pytest.mark.parametrize("era", ERAS)
async def test_a_wrong_uri_is_an_error_that_says_why(era: str, tmp_path: Path) -> None:
    async with asking(made(tmp_path / "q.db", "a"), era) as asked:
        for uri, said in (
            ("file:///etc/passwd", "they begin with task://"),
            ("task://../../etc/passwd", "a task has task://ID and task://ID/log"),
            ("task://%2e%2e%2fetc%2fpasswd", "it goes into URIs"),
            ("task://", "a task id cannot be empty"),
            ("task://" + "x" * 100_000, "at most 200 characters"),
            ("task://a/secrets", "a task has task://ID and task://ID/log"),
            ("task://a?state=failed", "there is no 'state' to ask for; it takes nothing"),
            ("task://queue?state=paused", "there is no state 'paused'"),
            ("task://queue?limit=0", "from 1 to 1,000"),
            ("task://queue?limit=" + "9" * 50, "from 1 to 1,000"),
            ("task://queue?limit=1001", "from 1 to 1,000"),
            ("task://queue?after=nope", "that is not the `next` of a page"),
            ("task://queue?after=WyJwZW5kaW5nIiwgNSwgNiwgN10", "that is not the `next` of a page"),
            ("task://queue?query=stat:x", "did you mean state?"),
            ("task://a/log?after=-1", "from 0 up"),
        ):
            with pytest.raises(MCPError) as caught:
                await asked.read(uri)
            assert said in caught.value.error.message
            assert len(caught.value.error.message) < 2_100
            assert caught.value.error.code == types.INVALID_PARAMS
        for uri in ("task://nope", "task://nope/log"):
            with pytest.raises(MCPError, match="no task nope in this store") as caught:
                await asked.read(uri)
            assert caught.value.error.code == (types.INVALID_PARAMS if era == "auto" else -32002)


@asynccontextmanager
async def following(address: str, era: str, *uris: str) -> AsyncIterator[tuple[Asked, asyncio.Queue[str]]]:
    """Serve a store to a client that follows resources; what it is told is put in a queue."""
    told: asyncio.Queue[str] = asyncio.Queue()

    async def handle(message: Any) -> None:
        if isinstance(message, types.ResourceUpdatedNotification):
            told.put_nowait(message.params.uri)

    served = Served(lambda: open_store(address), version="1.2.3")
    try:
        async with Client(served.server, mode=era, message_handler=handle, read_timeout_seconds=20) as client:
            if era == "legacy":
                for uri in uris:
                    await client.subscribe_resource(uri)
                yield Asked(client), told
            else:
                async with client.listen(resource_subscriptions=list(uris)) as events:

                    async def hand_on() -> None:
                        async for event in events:
                            told.put_nowait(event.uri)  # type: ignore[union-attr]

                    handing = asyncio.create_task(hand_on())
                    yield Asked(client), told
                    handing.cancel()
    finally:
        served.close()


async def heard(told: asyncio.Queue[str], *uris: str) -> None:
    """Wait until each of some resources was told of."""
    left = set(uris)
    while left:
        left.discard(await asyncio.wait_for(told.get(), 20))


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("name", ["q.db", "q.json"])
async def test_a_change_from_anywhere_is_told_to_who_follows_what_it_touches(
    name: str, era: str, tmp_path: Path
) -> None:
    address = made(tmp_path / name, "a", "b")
    uris = ("task://queue", "task://current", "task://stats", "task://a", "task://a/log")
    others = ("task://queue?state=failed", "task://b", "task://b/log", "task://nope", "task://x/y", "file:///x")
    async with following(address, era, *uris, *others) as (asked, told):
        other = open_store(address)
        other.apply([command("a", Action.START, actor="ann")])
        await heard(told, *uris)
        other.apply([command("b", Action.FAIL, actor="ann", note="no")])
        seen: list[str] = []
        while set(seen) < {"task://queue?state=failed", "task://b", "task://b/log", "task://queue", "task://stats"}:
            seen.append(await asyncio.wait_for(told.get(), 20))
        assert not {"task://nope", "task://x/y", "file:///x"} & set(seen)
        await asked.call("submit", task_id="a")
        await heard(told, "task://current", "task://a")
        other.apply([command("nope", Action.ADD, actor="ann", title="there is one now")])
        await heard(told, "task://nope")
        other.close()


async def test_who_unsubscribes_is_told_no_longer(tmp_path: Path) -> None:
    address = made(tmp_path / "q.db", "a")
    async with following(address, "legacy", "task://a", "task://queue") as (asked, told):
        await asked.client.unsubscribe_resource("task://a")
        await asked.call("start", task_id="a")
        assert await asyncio.wait_for(told.get(), 20) == "task://queue"
        await asked.call("submit", task_id="a")
        assert await asyncio.wait_for(told.get(), 20) == "task://queue"
        assert told.empty()


@pytest.mark.parametrize("era", ERAS)
async def test_a_file_that_goes_is_told_and_so_is_its_return(era: str, tmp_path: Path) -> None:
    address = made(tmp_path / "q.json", "a")
    path = Path(address)
    text = path.read_text()
    async with following(address, era, "task://a") as (asked, told):
        path.unlink()
        await heard(told, "task://a")
        with pytest.raises(MCPError, match=r"there is no .*q\.json") as caught:
            await asked.read("task://a")
        assert caught.value.error.data == {"fault": "missing"}
        assert (await asked.refused("start", task_id="a"))[0] == "missing"
        path.write_text(text[:-5])
        with pytest.raises(MCPError, match=r"q\.json"):
            await asked.read("task://a")
        while not told.empty():
            told.get_nowait()
        path.write_text(text)
        await heard(told, "task://a")
        assert (await asked.read("task://a"))["id"] == "a"


async def test_a_pause_is_told_to_who_follows_the_figures(tmp_path: Path) -> None:
    address = made(tmp_path / "q.db", "a")
    async with following(address, "auto", "task://stats") as (_, told):
        store = open_store(address)
        store.pause(Pausing(query="", actor="ann", operation="1", note="wait"))
        await heard(told, "task://stats")
        store.close()


@pytest.mark.parametrize("name", ["q.db", "q.json"])
async def test_what_waits_for_a_task_is_another_once_that_is_completed(name: str, tmp_path: Path) -> None:
    address = made(tmp_path / name, "a")
    store = open_store(address)
    store.apply([command("b", Action.ADD, actor="x", title="b", depends_on=["a"])])
    for action in (Action.START, Action.SUBMIT):
        store.apply([command("a", action, actor="x")])
    async with following(address, "auto", "task://b", "task://queue?state=pending") as (asked, told):
        assert (await asked.read("task://b"))["blocked"] == 1
        store.apply([command("a", Action.APPROVE, actor="x")])
        await heard(told, "task://b", "task://queue?state=pending")
        assert (await asked.read("task://b"))["blocked"] == 0
    store.close()


def _change(task_id: str, before: State | None, after: State | None) -> Change:
    return Change(seq=1, task_id=task_id, at="", actor="x", action="x", from_state=before, to_state=after, note=None)


@pytest.mark.parametrize(
    ("change", "uris"),
    [
        (_change("a", None, State.PENDING), {"queue", "queue?state=pending", "stats", "a", "a/log"}),
        (
            _change("a", State.PENDING, State.IN_PROGRESS),
            {"queue", "queue?state=pending", "current", "stats", "a", "a/log"},
        ),
        (_change("b", State.IN_PROGRESS, State.IN_PROGRESS), {"queue", "current", "stats"}),
        (_change("b", State.REVIEW, None), {"queue", "stats"}),
        (_change("", None, None), {"stats"}),
    ],
)
def test_a_change_touches_what_it_may_have_made_another(change: Change, uris: set[str]) -> None:
    every = ("queue", "queue?state=pending", "current", "stats", "a", "a/log")
    assert {one for one in every if touched([change]).has(place(f"task://{one}"))} == uris
