"""The orders of the board by name, and the columns sorted by one."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from taskdeck_store.contract import Order
from taskdeck_tui.model.look import NATURAL, STATES
from taskdeck_tui.model.view import View

ORDERS: Mapping[str, tuple[Order, ...]] = {
    "natural": tuple(NATURAL[state] for state in STATES),
    "priority": (Order.PRIORITY,) * len(STATES),
    "oldest": (Order.OLDEST,) * len(STATES),
    "newest": (Order.NEWEST,) * len(STATES),
}
"""The order of each column; natural: what is next first in the queues, what is latest first at the ends."""


def known(name: str) -> str:
    """Return the name of an order; that of the natural one for a name that no order has."""
    return name if name in ORDERS else "natural"


def after(name: str) -> str:
    """Return the name of the order that comes after another, round and round."""
    names = list(ORDERS)
    return names[(names.index(name) + 1) % len(names)]


def ordered(view: View, name: str) -> View:
    """Return the view with its columns to be sorted by an order; the cards of the new order are still to be read."""
    pairs = zip(view.columns, ORDERS[name], strict=True)
    return replace(view, columns=tuple(replace(column, order=order) for column, order in pairs))
