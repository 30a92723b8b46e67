"""Questions that are answered in worker threads; a newer question takes the place of an older one of its kind."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from textual.message import Message

from forensic import ForensicError
from tui.desk import Desk
from tui.screens.base import ImageScreen

if TYPE_CHECKING:  # with all the rules; loaded after the first paint
    from tui.jobs import Post, Teller

    Work = Callable[[Teller], object]


class Answered(Message):
    """The answer to a question, or the reason why there is none."""

    def __init__(self, what: str, number: int, answer: object, reason: str = "") -> None:
        super().__init__()
        self.what = what
        self.number = number
        self.answer = answer
        self.reason = reason


Then = Callable[[Answered], None]


def answer(post: Post, what: str, number: int, work: Work) -> None:
    """Answer a question; what it is about is shown while that takes."""
    from tui.jobs import run_job

    def job(teller: Teller) -> None:
        teller.say(what)
        try:
            found = work(teller)
        except ForensicError as error:
            post(Answered(what, number, None, str(error)))
        else:
            post(Answered(what, number, found))

    run_job(post, what, job)


class AskingScreen(ImageScreen):
    """A screen that has questions answered, and goes on with the answers."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self._asked = 0
        self._waiting: dict[str, tuple[int, Then]] = {}

    def ask(self, what: str, work: Work, then: Then) -> None:
        """Have `work` done in a thread, and go on with `then`, unless something newer of this kind was asked."""
        self._asked += 1
        self._waiting[what] = (self._asked, then)
        job = partial(answer, self.post_message, what, self._asked, work)
        self.run_worker(job, thread=True, group=f"{self.NAME} {what}", exclusive=True)

    def on_answered(self, event: Answered) -> None:
        """Take the answer to the newest question of its kind."""
        number, then = self._waiting.get(event.what, (0, None))
        if then and number == event.number:
            then(event)

    def tell(self, words: str, bad: bool = False) -> None:
        """A short message; nothing in it is markup."""
        self.notify(words, severity="error" if bad else "information", markup=False)
