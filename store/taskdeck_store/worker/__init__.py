"""The loop that runs real work through the state machine.

>>> from taskdeck_store import open_store
>>> from taskdeck_store.worker import Worker
>>> summary = Worker(open_store("tasks.db"), {"execute": lambda task: len(task.title)}).run(until="empty")
"""

import logging

from taskdeck_store.worker.backoff import Backoff
from taskdeck_store.worker.handlers import Failed, GiveUp, Handlers, WrongHandlers
from taskdeck_store.worker.summary import Report, Summary
from taskdeck_store.worker.worker import Worker

logging.getLogger("taskdeck").addHandler(logging.NullHandler())

__all__ = ["Backoff", "Failed", "GiveUp", "Handlers", "Report", "Summary", "Worker", "WrongHandlers"]
