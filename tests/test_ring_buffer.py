"""The ring buffer against a deque, and under two threads."""

from __future__ import annotations

import sys
import threading
from collections import deque

import numpy as np
import pytest

from rtdenoise.errors import ParameterError
from rtdenoise.live.ring_buffer import RingBuffer


@pytest.mark.parametrize("capacity", [1, 2, 7, 64, 1000])
@pytest.mark.parametrize("seed", range(5))
def test_any_sequence_of_operations_equals_a_deque(capacity, seed):
    rng = np.random.default_rng(seed)
    ring, twin, position = RingBuffer(capacity), deque(), 0
    for _ in range(2000):
        length = int(rng.integers(0, 2 * ring.capacity + 2))
        match int(rng.integers(3)):
            case 0:
                samples = np.arange(position, position + length, dtype=np.float32)
                taken = ring.write(samples)
                assert taken == min(length, ring.capacity - len(twin))
                twin.extend(samples[:taken])
                position = (position + taken) % 2**23  # whole numbers that float32 holds exactly
            case 1:
                out = np.full(length, -1.0, dtype=np.float32)
                count = ring.read_into(out)
                expected = [twin.popleft() for _ in range(min(length, len(twin)))]
                assert count == len(expected)
                assert out[:count].tolist() == expected
                assert (out[count:] == -1.0).all()
            case 2:
                length //= 4
                assert ring.discard(length) == min(length, len(twin))
                for _ in range(min(length, len(twin))):
                    twin.popleft()
        assert ring.readable == len(twin)
        assert ring.writable == ring.capacity - len(twin)
        assert ring.written - ring.read == len(twin)


@pytest.mark.parametrize(("asked", "given"), [(1, 1), (2, 2), (3, 4), (1000, 1024), (1024, 1024)])
def test_capacity_is_the_next_power_of_two(asked, given):
    assert RingBuffer(asked).capacity == given


@pytest.mark.parametrize("capacity", [0, -5])
def test_a_ring_that_holds_nothing_is_refused(capacity):
    with pytest.raises(ParameterError, match=f"capacity={capacity}"):
        RingBuffer(capacity)


def test_a_negative_discard_moves_nothing():
    ring = RingBuffer(8)
    ring.write(np.ones(4, dtype=np.float32))
    assert ring.discard(-3) == 0
    assert ring.readable == 4


@pytest.fixture
def hasty_threads():
    """Threads take turns after microseconds, so that they meet in the middle of everything."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("hasty_threads")
def test_two_threads_lose_and_repeat_nothing():
    total, ring = 400_000, RingBuffer(1024)
    received = np.empty(total, dtype=np.float32)

    def write() -> None:
        samples, position, lengths = np.arange(total, dtype=np.float32), 0, np.random.default_rng(1)
        while position < total:
            position += ring.write(samples[position : position + int(lengths.integers(1, 700))])

    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    position, lengths = 0, np.random.default_rng(2)
    while position < total and (writer.is_alive() or ring.readable):
        position += ring.read_into(received[position : position + int(lengths.integers(1, 700))])
    writer.join()
    assert position == total
    assert (received == np.arange(total, dtype=np.float32)).all()
