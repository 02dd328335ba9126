"""Has people written to, beside the run: a mail server that hangs or is down holds up nothing, and stops nothing."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor

from engine.execution.gatekeeper import GateKeeper
from engine.execution.notices import Errand
from engine.execution.stop import Stop
from engine.model import event as ev
from engine.planning.texts import bug_in
from engine.ports import Notice, Notifier, Told


class Post:
    """The errands of one run, one after the other in a thread of their own. Each is journalled once it has an outcome; what was
    sent and not journalled before the process died is known to the notifier."""

    def __init__(self, keeper: GateKeeper, notifier: Notifier | None, stop: Stop) -> None:
        self._keeper, self._notifier, self._stop = keeper, notifier, stop
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="post")
        self._round: Future[None] | None = None
        self._down = False
        """Whether the other side could not be reached: until something is to be tried again, nobody else is written to."""

    def nudge(self) -> None:
        """Starts a round when something may have come up and none is under way. Raises what the last one met at the border."""
        if self._notifier is None or not self._is_idle() or not self._keeper.stirred():
            return
        self._round = self._pool.submit(self._deliver, self._notifier)

    def finish(self) -> None:
        """A last round, once nothing else goes on; when the run is to stop, what is left waits until it is taken up."""
        if self._round is not None:
            self._round.result()
        if self._notifier is not None:
            self._deliver(self._notifier)

    def close(self) -> None:
        """Waits for what is under way."""
        self._pool.shutdown(wait=True)

    def _is_idle(self) -> bool:
        if self._round is None:
            return True
        if not self._round.done():
            return False
        self._round.result()
        return True

    def _deliver(self, notifier: Notifier) -> None:
        if self._down and not self._keeper.is_to_try_again():
            return
        self._down = False
        for errand in self._keeper.errands():
            if self._stop.is_set:
                return
            told = _say(notifier, errand)
            self._keeper.note(ev.GateNotified(
                errand.address, errand.to, errand.why, told.outcome, told.message_id, told.detail, told.again
            ))
            self._down = told.unreachable
            if self._down:
                return


def _say(notifier: Notifier, errand: Errand) -> Told:
    try:
        return notifier.tell(errand) if isinstance(errand, Notice) else notifier.invite(errand)
    except Exception as error:  # noqa: BLE001  # the border: a bug in wording a mail must not stop a cutover
        return Told("failed", detail=bug_in("writing to people", error))
