"""Work on threads: results in the order of the work, one chunk ahead, errors at their place."""

from __future__ import annotations

import threading

import pytest

from spinn_convert.backends.reference.ordered import in_order


def test_results_come_in_the_order_of_the_work():
    """The first item ends only after the second has begun, on another thread."""
    second = threading.Event()

    def work(item):
        if item == 0:
            assert second.wait(10)
        if item == 1:
            second.set()
        return -item

    assert list(in_order([[0, 1], [], [2], [3, 4]], 2, work)) == [0, -1, -2, -3, -4]


def test_only_one_chunk_is_made_ahead():
    made = []

    def chunks():
        for chunk in range(5):
            made.append(chunk)
            yield [chunk]

    results = in_order(chunks(), 1, abs)
    assert next(results) == 0
    assert made == [0, 1]


def test_an_error_of_the_work_is_raised_after_the_results_before_it():
    results = in_order([[1, 0, 1]], 2, lambda item: 1 / item)
    assert next(results) == 1
    with pytest.raises(ZeroDivisionError):
        next(results)
