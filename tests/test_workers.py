"""A function and many items in worker processes."""

import time
from contextlib import closing

from neuro.workers import Begun, Done, Said, each, is_alive, report


def events(function, items, jobs):
    with closing(each(function, items, jobs, 0.05)) as found:
        return list(found)


def test_items_run_side_by_side_and_come_as_they_finish():
    # Starting a process takes a while, so the first is much longer.
    found = events(time.sleep, [2.0, 0.0, 0.01], jobs=2)
    assert found[:2] == [Begun(2.0), Begun(0.0)]
    assert [e.item for e in found if isinstance(e, Done)] == [0.0, 0.01, 2.0]
    assert found.index(Begun(0.01)) > found.index(Done(0.0, None, None))


def test_what_is_said_comes_before_the_end():
    assert events(report, ["a", "a"], jobs=1) == 2 * [
        Begun("a"),
        Said("a", "a"),
        Done("a", None, None),
    ]


def test_a_failure_is_a_result_of_its_item():
    found = [e for e in events(time.sleep, [-1.0, 0.0], jobs=1) if isinstance(e, Done)]
    assert isinstance(found[0].error, ValueError)
    assert found[1] == Done(0.0, None, None)


def test_workers_end_when_nobody_listens_any_more():
    from multiprocessing import active_children

    before = set(active_children())
    with closing(each(time.sleep, [60.0, 0.0], 2, 0.05)) as found:
        while not isinstance(next(found), Done):
            pass
        started = time.monotonic()
    assert time.monotonic() - started < 20
    assert not [child for child in set(active_children()) - before if is_alive(child.pid)]
