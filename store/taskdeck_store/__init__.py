"""Taskdeck's library: open a task store, read it, and move its tasks by audited transitions.

>>> from taskdeck_store import Action, command, open_store
>>> store = open_store("tasks.db")
>>> outcome, = store.apply([command("t-1", Action.START, actor="worker-1")])
"""

from taskdeck_store.address import create_store, open_store
from taskdeck_store.claiming import claim_of
from taskdeck_store.contract import Claiming, Fault, Order, Outcome, Pause, Pausing, Store, StoreError
from taskdeck_store.machine import TABLE, Code, Command, Refusal, command
from taskdeck_store.values import Action, Card, Claim, Event, State, Task

__all__ = [
    "TABLE",
    "Action",
    "Card",
    "Claim",
    "Claiming",
    "Code",
    "Command",
    "Event",
    "Fault",
    "Order",
    "Outcome",
    "Pause",
    "Pausing",
    "Refusal",
    "State",
    "Store",
    "StoreError",
    "Task",
    "claim_of",
    "command",
    "create_store",
    "open_store",
]
