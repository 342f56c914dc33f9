import os
import signal
import time

import pytest
from facewire_edge import stop
from facewire_edge.stop import stoppable

PATIENCE_S = 5.0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_asks_for_the_end_and_lets_the_turn_finish(number: signal.Signals) -> None:
    with stoppable() as asked:
        assert not asked()
        os.kill(os.getpid(), number)
        assert asked()


def end_and_take_long(*numbers: signal.Signals) -> None:
    with stoppable():
        for number in numbers:
            os.kill(os.getpid(), number)
        time.sleep(PATIENCE_S)


def test_turn_that_takes_too_long_is_interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stop, "GRACE_S", 0.05)
    with pytest.raises(KeyboardInterrupt):
        end_and_take_long(signal.SIGTERM)


def test_second_signal_interrupts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stop, "GRACE_S", PATIENCE_S)
    with pytest.raises(KeyboardInterrupt):
        end_and_take_long(signal.SIGINT, signal.SIGINT)


def test_handlers_and_timer_are_put_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with stoppable():
        os.kill(os.getpid(), signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is before
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
