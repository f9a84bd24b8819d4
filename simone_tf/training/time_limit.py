"""How long a session of a run may train, and when within that time it is scored; the loop asks, nothing here acts."""

import time
from collections.abc import Callable

LEAST_STEPS = 10
"""Steps that a session takes however short its time, most of which compiling may have used up."""

# Times as long as an evaluation takes that are trained before the next, so that slow ones do not use up the session.
_TRAINING_BETWEEN = 3.0


class TimeLimit:
    """The clock of a session, which starts when this is made; compiling, scoring and saving count.

    Args:
        seconds: how long the session may train. The last score and the last checkpoint come after it.
        num_checks: how often it is scored, evenly spread over that time, its start not counted; 0 for when steps say.
        clock: seconds from any moment on.
    """

    def __init__(self, seconds: float, num_checks: int = 0, clock: Callable[[], float] = time.monotonic) -> None:
        self.seconds = seconds
        self.num_checks = num_checks
        self._clock = clock
        self._begin = clock()
        self._steps = 0
        self._seconds_per_step: float | None = None
        self._next_check = seconds / num_checks if num_checks else float("inf")

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return self._clock() - self._begin

    def steps_that_fit(self, count: int) -> int:
        """How many of the next `count` steps, at least one, are likely to be over in time for what comes next."""
        if self._seconds_per_step is None:
            return 1
        left = min(self._next_check, self.seconds) - self.elapsed
        wanted = max(1, LEAST_STEPS - self._steps) if left <= 0 else 1
        return min(count, max(wanted, round(left / self._seconds_per_step)))

    def took(self, count: int, seconds: float) -> None:
        """So many steps took so many seconds together; those of the first call, which compiles, tell nothing."""
        if self._steps:
            self._seconds_per_step = max(seconds / count, 1e-9)
        self._steps += count

    def is_over(self) -> bool:
        """Whether the session ends here."""
        return self.elapsed >= self.seconds and self._steps >= LEAST_STEPS

    def check_is_due(self) -> bool:
        """Whether the run is to be scored now."""
        return self.elapsed >= self._next_check

    def was_scored(self, seconds: float) -> None:
        """It was, which took so long."""
        if self.num_checks:
            self._next_check = self.elapsed + max(self.seconds / self.num_checks, _TRAINING_BETWEEN * seconds)
