"""What may start: parallel, rate, batches, limits and needs, with no clock but the numbers given."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from engine.execution.schedule import CHUNK, BlockPlan, Schedule, Unit, batch_ends
from engine.model.runbook import FanOut, Limit


def always(address: str) -> bool:
    return True


def never(address: str) -> bool:
    return False


def block(address: str, total: int, *, needs: tuple[str, ...] = (), local: bool = False, **fan_out: object) -> BlockPlan:
    return BlockPlan(address, needs, total, tuple(range(total)), 0, FanOut(**fan_out), local)  # type: ignore[arg-type]  # keywords of FanOut


def admitted(schedule: Schedule, now: float = 0.0) -> list[Unit]:
    return list(schedule.admit(now, always))


def test_no_more_lanes_run_than_parallel_allows() -> None:
    """Three of ten start; another starts when one has ended."""
    schedule = Schedule.of([block("phones/move", 10, parallel=3)])
    first = admitted(schedule)
    assert [unit.lanes for unit in first] == [(0,), (1,), (2,)]
    assert admitted(schedule) == []
    schedule.settle(first[1], failed=0)
    assert [unit.lanes for unit in admitted(schedule)] == [(3,)]


def test_a_local_block_goes_in_chunks_one_at_a_time() -> None:
    """A block that only touches this machine is handed over a hundred lanes at a time."""
    schedule = Schedule.of([block("phones/config", 250, local=True)])
    sizes = []
    while units := admitted(schedule):
        assert len(units) == 1
        sizes.append(len(units[0].lanes))
        schedule.settle(units[0], failed=0)
    assert sizes == [CHUNK, CHUNK, 50]
    assert schedule.left() == 0


def test_a_block_waits_for_all_lanes_of_what_it_needs() -> None:
    """Numbers are not forwarded before the last phone has ended."""
    schedule = Schedule.of([block("phones/move", 2, parallel=2), block("numbers/forward", 1, needs=("phones/move",))])
    first = admitted(schedule)
    schedule.settle(first[0], failed=0)
    assert admitted(schedule) == []
    schedule.settle(first[1], failed=0)
    assert [unit.block for unit in admitted(schedule)] == ["numbers/forward"]


def test_failures_over_the_limit_stop_new_starts_everywhere() -> None:
    """The guard: one failure of a block that allows none."""
    schedule = Schedule.of([block("phones/move", 5), block("numbers/forward", 5)])
    first = admitted(schedule)
    schedule.settle(first[0], failed=1)
    assert admitted(schedule) == []
    assert schedule.tripped() == ("phones/move", 1, Limit(0))


def test_failures_within_the_limit_let_the_next_block_start() -> None:
    """Two of forty may fail at 5 %."""
    schedule = Schedule.of([
        block("phones/move", 40, parallel=40, max_failures=Limit(5, percent=True)),
        block("numbers/forward", 1, needs=("phones/move",)),
    ])
    for number, unit in enumerate(admitted(schedule)):
        schedule.settle(unit, failed=int(number < 2))
    assert schedule.tripped() is None
    assert [unit.block for unit in admitted(schedule)] == ["numbers/forward"]


def test_a_batch_starts_when_the_one_before_has_ended() -> None:
    """One phone, then four more, then the rest."""
    batches = (Limit(1), Limit(10, percent=True), Limit(100, percent=True))
    schedule = Schedule.of([block("phones/move", 40, parallel=40, batches=batches)])
    sizes = []
    while units := admitted(schedule):
        sizes.append(len(units))
        for unit in units[:-1]:
            schedule.settle(unit, failed=0)
        assert admitted(schedule) == []
        schedule.settle(units[-1], failed=0)
    assert sizes == [1, 4, 35]


def test_a_rate_spaces_the_starts() -> None:
    """Two starts a second: the second half a second after the first."""
    schedule = Schedule.of([block("numbers/forward", 3, parallel=3, rate=2.0)])
    assert len(admitted(schedule, 10.0)) == 1
    assert admitted(schedule, 10.4) == []
    assert schedule.next_start(always) == 10.5
    assert len(admitted(schedule, 10.5)) == 1


def test_unfinished_lanes_wait_again_in_their_order() -> None:
    """A chunk that was stopped midway gives back what it did not end."""
    schedule = Schedule.of([block("phones/config", 5, local=True)])
    unit = admitted(schedule)[0]
    schedule.settle(unit, failed=0, unfinished=[3, 4])
    assert schedule.left() == 2
    assert admitted(schedule)[0].lanes == (3, 4)


def test_a_shut_window_admits_nothing_and_names_what_waits() -> None:
    """The runner asks which blocks could start but for their window."""
    schedule = Schedule.of([block("phones/move", 4)])
    assert list(schedule.admit(0.0, never)) == []
    assert schedule.ready_blocks() == [("phones/move", 4)]


def test_a_block_without_lanes_holds_nobody_up() -> None:
    """A limit that leaves a block empty does not stop the ones after it."""
    schedule = Schedule.of([block("phones/move", 0), block("numbers/forward", 1, needs=("phones/move",))])
    assert [unit.block for unit in admitted(schedule)] == ["numbers/forward"]


@given(total=st.integers(1, 500), sizes=st.lists(st.integers(1, 100), min_size=1, max_size=5), percent=st.booleans())
def test_batches_cover_every_lane_exactly_once(total: int, sizes: list[int], percent: bool) -> None:
    """Ends rise strictly and reach the total."""
    ends = batch_ends([Limit(size, percent) for size in sizes], total)
    assert list(ends) == sorted(set(ends))
    assert ends[-1] == total


@given(total=st.integers(0, 60), parallel=st.integers(1, 8), local=st.booleans(), data=st.data())
def test_every_lane_runs_exactly_once(total: int, parallel: int, local: bool, data: st.DataObject) -> None:
    """Whatever the order in which units end, and however often some come back unfinished."""
    schedule = Schedule.of([block("a/b", total, parallel=parallel, local=local)])
    running: list[Unit] = []
    ended: list[int] = []
    while units := [*admitted(schedule), *running]:
        running = [unit for unit in units if unit is not units[0]]
        unit = units[0]
        cut = data.draw(st.integers(0, len(unit.lanes))) if len(unit.lanes) > 1 else 0
        schedule.settle(unit, failed=0, unfinished=unit.lanes[len(unit.lanes) - cut :] if cut < len(unit.lanes) else ())
        ended += unit.lanes[: len(unit.lanes) - cut] if cut < len(unit.lanes) else unit.lanes
    assert sorted(ended) == list(range(total))
    assert schedule.left() == 0


CANARY = (Limit(1), Limit(10, percent=True), Limit(100, percent=True))


def test_a_failed_canary_stops_the_run_although_its_share_of_all_would_be_allowed() -> None:
    """Five per cent of forty is two, but of the one phone that went first it is none."""
    schedule = Schedule.of([block("phones/move", 40, parallel=40, batches=CANARY, max_failures=Limit(5, percent=True))])
    (canary,) = admitted(schedule)
    schedule.settle(canary, failed=1)
    assert admitted(schedule) == []
    assert schedule.tripped() == ("phones/move", 1, Limit(5, percent=True))


def test_failures_given_as_a_number_are_allowed_in_any_batch() -> None:
    """Who writes 2 means two, canary or not; so do failures within the share of what has ended."""
    schedule = Schedule.of([block("phones/move", 40, parallel=40, batches=CANARY, max_failures=Limit(2))])
    (canary,) = admitted(schedule)
    schedule.settle(canary, failed=1)
    assert len(admitted(schedule)) == 4
    schedule = Schedule.of([block("phones/move", 40, parallel=40, batches=CANARY, max_failures=Limit(50, percent=True))])
    (canary,) = admitted(schedule)
    schedule.settle(canary, failed=0)
    for number, unit in enumerate(admitted(schedule)):
        schedule.settle(unit, failed=int(number < 2))
    assert len(admitted(schedule)) == 35


def test_a_rate_does_not_make_up_for_a_pause_with_a_burst() -> None:
    """After a minute in which nothing could start, twenty a second is still twenty a second."""
    schedule = Schedule.of([block("numbers/forward", 100, parallel=100, rate=20.0)])
    assert len(admitted(schedule, 10.0)) == 1
    assert len(admitted(schedule, 70.0)) <= 3
