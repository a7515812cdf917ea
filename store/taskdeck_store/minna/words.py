"""The words for states: those that are understood, and those that a file is written in."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping

from taskdeck_store.values import State

_MEANT: Mapping[State, str] = {
    State.PENDING: "pending todo to_do open queued new backlog ready waiting planned not_started scheduled",
    State.IN_PROGRESS: "in_progress inprogress doing started running working active wip claimed",
    State.REVIEW: "review in_review reviewing needs_review to_review verifying",
    State.COMPLETED: "completed complete done finished closed succeeded success resolved approved",
    State.FAILED: "failed failure error errored",
}
"""The words that say neither more nor less than a state; the first is Taskdeck's own."""

_LIKE: Mapping[State, str] = {
    State.PENDING: "blocked deferred paused on_hold postponed",
    State.FAILED: "cancelled canceled abandoned rejected wont_do aborted",
}
"""Words that say more than the state as which they are shown. They are read, and never written."""

SHOWN = {word: state for words in (_MEANT, _LIKE) for state, said in words.items() for word in said.split()}
_WRITTEN = {word for said in _MEANT.values() for word in said.split()}
_LONGEST = 60
_BREAKS = re.compile(r"[\s_-]+")


def state_of(word: str) -> State | None:
    """Return the state that a file's word stands for; None for a word that is not known."""
    return SHOWN.get(word) or (SHOWN.get(_plain(word)) if len(word) <= _LONGEST else None)


def says_more(word: str) -> bool:
    """Tell whether a word says more than the state as which it is shown."""
    return word not in _WRITTEN and _plain(word) not in _WRITTEN


class Vocabulary:
    """The words of one file that are understood, by how often each was met."""

    def __init__(self) -> None:
        self.met: Counter[str] = Counter()

    def word(self, state: State) -> str:
        """Return the file's word for a state: the one it uses most, or else Taskdeck's, written as its others are."""
        used = [(-count, word) for word, count in self.met.items() if state_of(word) is state and not says_more(word)]
        return min(used)[1] if used else self._styled(state.value)

    def shown(self) -> Mapping[str, State]:
        """Return as what each word of the file is shown, and which word each state has, in the order of the states."""
        met = {word: state_of(word) for word in sorted(self.met)}
        words = {self.word(state): state for state in State} | met
        return {word: state for one in State for word, state in words.items() if state is one}

    def _styled(self, word: str) -> str:
        known = sorted(self.met)
        broken = [found[0] for word in known if (found := _BREAKS.search(word.strip())) is not None]
        styled = word.replace("_", broken[0]) if broken else word
        return _case(known)(styled)


def _case(known: list[str]) -> Callable[[str], str]:
    letters = [word for word in known if word.isascii() and any(map(str.isalpha, word))]
    if letters and all(word.isupper() for word in letters):
        return str.upper
    if letters and all(word.istitle() for word in letters):
        return str.title
    if letters and all(word == word.capitalize() for word in letters):
        return str.capitalize
    return str


def _plain(word: str) -> str:
    return _BREAKS.sub("_", word.strip().lower())
