"""The seed's MCP servers, rebuilt with the SDK: Lab 13, and the tutorial's, which differ in what they tell.

    python mcp_lab.py lab|tutorial FILE [PORT]

serves the tasks of FILE on standard input and output, or over HTTP at a port of this machine.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from mcp.server import MCPServer
from mcp.server.subscriptions import InMemorySubscriptionBus
from mcp.shared.subscriptions import ResourceUpdated


class Lab:
    """A server on a file of tasks. Its tools answer in prose, and an unknown id is no error."""

    def __init__(self, shape: str, path: Path) -> None:
        self.path = path
        self._bus = InMemorySubscriptionBus()
        self.server = MCPServer(
            "lab-13" if shape == "lab" else "tutorial", subscriptions=self._bus, log_level="CRITICAL"
        )
        self.server.resource("task://queue")(self.lab_queue if shape == "lab" else self.tutorial_queue)
        self.server.resource("task://current")(self.next_pending if shape == "lab" else self.in_progress)
        for tool in (self.add_task, self.start_task, self.complete_task, self.fail_task, self.retry_task):
            self.server.tool()(tool)

    def tasks(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.path.read_text())
        return found

    async def told(self) -> None:
        """Tell whoever listens that the queue changed."""
        await self._bus.publish(ResourceUpdated(uri="task://queue"))

    def lab_queue(self) -> str:
        return json.dumps(self.tasks(), indent=2)

    def tutorial_queue(self) -> str:
        keys = ("id", "description", "status", "attempts")
        return json.dumps({"tasks": [{key: task[key] for key in keys} for task in self.tasks()]})

    def next_pending(self) -> str:
        return json.dumps(next((task for task in self.tasks() if task["status"] == "pending"), None))

    def in_progress(self) -> str:
        return json.dumps(next((task for task in self.tasks() if task["status"] == "in_progress"), None))

    async def add_task(self, description: str, priority: int = 5, max_attempts: int = 3) -> str:
        """Put a task in the queue."""
        tasks = self.tasks()
        tasks.append({"id": f"task-{len(tasks):08x}", "description": description, "status": "pending", "attempts": 0})
        self.path.write_text(json.dumps(tasks))
        await self.told()
        return f"Added: {description} ({priority}, {max_attempts})"

    async def start_task(self, task_id: str) -> str:
        """Start a task."""
        return await self._set(task_id, "in_progress", started=True)

    async def complete_task(self, task_id: str, result: str) -> str:
        """Complete a task."""
        return await self._set(task_id, "completed", result=result)

    async def fail_task(self, task_id: str, reason: str) -> str:
        """Fail a task."""
        return await self._set(task_id, "failed", failure_reason=reason)

    async def retry_task(self, task_id: str, feedback: str = "") -> str:
        """Retry a task."""
        return await self._set(task_id, "pending", feedback=feedback)

    async def _set(self, task_id: str, status: str, *, started: bool = False, **more: str) -> str:
        tasks = self.tasks()
        for task in tasks:
            if task["id"] == task_id:
                task.update(status=status, attempts=task["attempts"] + started, **more)
                self.path.write_text(json.dumps(tasks))
                await self.told()
                return f"Task {task_id} is {status} now."
        return f"Task {task_id} not found"


def main(shape: str, path: str, port: str = "") -> None:
    server = Lab(shape, Path(path)).server
    if port:
        server.run("streamable-http", port=int(port))
    else:
        server.run("stdio")


if __name__ == "__main__":
    main(*sys.argv[1:])
