"""What a platform allows in one bucket.  Pure: callers bring the time, in seconds of one monotonic clock.

`Sliding` for a platform that says nothing until it says 429, `Told` for one that says with every answer what
is left.  Both only count; who gets the next call is decided in `bot.show.pacing`.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Sequence

from bot.platform import Bucket, BucketState
from bot.show.learned import Learned
from bot.show.writes import Rank

#: Shares of a window ahead for which a supply is told.
HORIZONS = (1 / 6, 1 / 3, 1 / 2, 3 / 4, 1.0)
#: Seconds for whose finals previews leave calls, and how many more of them than expected.
AHEAD = (1.0, 2.0, 3.0, 5.0, 8.0)
RUSH = 1.3
#: A window with less than this to spare for previews waits for the next.
SCARCE = 0.3
#: After a 429: seconds past the Retry-After, and the share of the limit that is still believed.
MARGIN = 0.2
DOUBT = 0.7
#: Refused with less than this share of the window used, a platform forbids the burst and not the rate.
EARLY = 0.7
#: The fewest calls of a window that are believed in.
FEWEST = 5
#: Seconds over which processes that wait for the same window spread their calls: previews, and finals.
SPREAD, SPREAD_FINALS = 0.5, 0.2
#: Seconds after which a call that has no answer holds up the next no more.
OVERDUE = 1.0


class Sliding:
    """At most so many calls in any span of `seconds`.

    A call counts until `seconds` after its *answer*: whenever in between the platform counted it, the promise
    holds, whatever the network does.  Where the adapter keeps it (`Bucket.held`), a call counts from when it
    is sent: of a window of one second the way there and back is a fifth.

    No more calls are under way at once than the rate allows in a second, and one: where fewer are allowed at
    once than is believed, so few are refused, and not all that wait.
    """

    def __init__(self, bucket: Bucket) -> None:
        self._nominal = bucket.burst
        self._calls, self._burst = Learned(bucket.burst), Learned(bucket.burst)
        self._seconds = bucket.burst / bucket.rate
        self._ahead = [ahead for ahead in AHEAD if ahead < self._seconds]
        self._horizons = [share * self._seconds for share in HORIZONS]
        self._spacing = bucket.spacing
        self._held = bucket.held
        self._abreast = 1 + math.ceil(bucket.rate * OVERDUE)
        self._returns: list[float] = []
        self._flying = 0
        self._last = self._last_preview = -math.inf
        self._paid = -math.inf  # when an even rate has made up for all calls so far
        self._others: list[float] = []  # when calls of other processes come back
        self._share = 1.0

    def left(self, now: float) -> int:
        """Return how many calls may be made now."""
        if self._returns and self._returns[0] <= now:
            del self._returns[: bisect_left(self._returns, now)]
        if self._others and self._others[0] <= now:
            del self._others[: bisect_left(self._others, now)]
        most = int(self._share * self._calls.at(now))
        return most - self._flying - len(self._returns) - len(self._others)

    def others(self, ages: Sequence[float], now: float) -> None:
        """Count the calls of other processes, answered so many seconds ago: all that the window holds."""
        self._others = sorted(now - age + self._seconds for age in ages)
        self._share = 1.0

    def alone(self) -> None:
        """Believe that all of it is this process's; calls that others have made still count."""
        self._share = 1.0

    def past(self, now: float) -> list[float]:
        """Return how many seconds ago the calls of this process were answered that the window holds still."""
        return [now + self._seconds - back for back in self._returns if back > now]

    def part(self, share: float) -> None:
        """Believe that *share* of it is this process's; what others do is not known."""
        self._others.clear()
        self._share = share

    @property
    def window(self) -> tuple[int, float]:
        """How many calls may be made in how many seconds, as the platform documents it."""
        return self._nominal, self._seconds

    def _back(self) -> list[float]:
        """Return when the calls of all processes come back, the first one first."""
        return sorted(self._returns + self._others) if self._others else self._returns

    def opens(self, now: float, kept: int = 0) -> float:
        """Return when a call may be made that leaves *kept* others."""
        missing = kept + 1 - self.left(now)
        if missing <= 0:
            free = now
        else:
            returns = self._back()
            free = returns[missing - 1] if missing <= len(returns) else math.inf
        if (burst := self._burst.at(now)) < self._nominal:
            free = max(free, self._paid - (burst - 1) * self._each(now))
        if self._flying >= self._abreast:
            free = max(free, self._last + OVERDUE)
        if free > now and self._others and self._last > -math.inf:
            # Else all processes would ask for the same call at once; when each called last is chance.
            free += (SPREAD if kept else SPREAD_FINALS) * (self._last % 1)
        return free

    def _each(self, now: float) -> float:
        """Return the seconds between two calls at an even rate."""
        return self._seconds / self._calls.at(now)

    def opens_preview(self, now: float, finals: float) -> float:
        """Return when a preview may go, if *finals* answers a second end."""
        self.left(now)
        return max(self.opens(now, self.reserve(finals, now)), self._last_preview + self._spacing)

    def supply(self, now: float, finals: float) -> Iterable[tuple[float, float]]:
        """Return for each horizon how many calls previews and later finals may make within it."""
        left = self.left(now) - self.reserve(finals, now)
        returns = self._back()
        return [(ahead, left + bisect_left(returns, now + ahead)) for ahead in self._horizons]

    def sent(self, rank: Rank, now: float) -> None:
        """Count a call that goes out."""
        if self._held:
            self._returns.append(now + self._seconds)
        else:
            self._flying += 1
        self._last = now
        self._paid = max(self._paid, now) + self._each(now)
        if rank is Rank.PREVIEW:
            self._last_preview = now

    def unsent(self, now: float) -> None:
        """Count a call no more that did not go out, after `sent`."""
        self._paid -= self._each(now)
        if not self._held:
            self._flying -= 1
        elif self._returns:  # else its second is over
            self._returns.pop()

    def answered(self, _state: BucketState | None, now: float) -> None:
        """Count a call that got through."""
        if not self._held:
            self._flying -= 1
            self._returns.append(now + self._seconds)

    def refused(self, retry_after: float, now: float) -> None:
        """Learn from a 429.

        What went through before it is all that the window holds; or, if that is far less than it should, all
        that may come at once.
        """
        self._flying -= not self._held
        through = self._nominal if self.left(now) < 0 else len(self._returns)
        each = self._each(now)
        self._paid -= each  # the refused call does not count
        at_once = int((self._paid - self._last) / each + 0.1)
        if through >= EARLY * self._nominal or self._burst.at(now) == 1:
            calls = self._calls.at(now)
            calls = max(FEWEST, min(through, calls - 1), int(DOUBT * calls))
            self._calls.lower(calls, retry_after, now)
        else:
            self._burst.lower(min(at_once, self._burst.at(now) - 1), retry_after, now)

    def rests(self, now: float) -> bool:
        """Whether this knows no more than a new one would."""
        return self.left(now) == self._nominal

    def reserve(self, finals: float, now: float) -> int:
        """Return the calls that previews leave to finals, if *finals* answers a second end.

        They are for those that come sooner than calls come back.
        """
        returns, rush, short = self._back(), RUSH * finals, 0.0
        for ahead in self._ahead:
            missing = rush * ahead - bisect_left(returns, now + ahead)
            short = max(short, missing)
        return min(1 + int(short), self._nominal - 1)


class Told:
    """A window of `seconds` that opens with its first call; the platform says what is left after every one.

    So short that it needs no price: previews are spread evenly over what it has left, less the finals in it.
    """

    def __init__(self, bucket: Bucket) -> None:
        self._calls = bucket.burst
        self._seconds = bucket.burst / bucket.rate
        self._left = bucket.burst
        self._ends = -math.inf
        self._flying = 0
        self._last = 0.0

    def left(self, now: float) -> int:
        """Return how many calls may be made in the window that there is now."""
        return self._left if now < self._ends else self._calls

    def opens(self, now: float) -> float:
        """Return when a call may be made."""
        if now >= self._ends:
            return now if not self._flying else math.inf  # its answer will say which window it fell in
        return now if self._left > 0 else self._ends

    def opens_preview(self, now: float, finals: float) -> float:
        """Return when a preview may go, if *finals* answers a second end."""
        if now >= self._ends or self._left <= 0:
            return self.opens(now)
        spare = self._left - finals * (self._ends - now)
        if spare <= SCARCE:
            return self._ends
        return self._last + (self._ends - self._last) / (spare + 1)

    def supply(self, _now: float, _finals: float) -> Iterable[tuple[float, float]]:
        """Return nothing: no price is needed."""
        return ()

    def sent(self, _rank: Rank, now: float) -> None:
        """Count a call that goes out."""
        if now >= self._ends:
            self._left, self._ends = self._calls, now + self._seconds + MARGIN  # a guess, until the answer
        self._left -= 1
        self._flying += 1
        self._last = now

    def unsent(self, _now: float) -> None:
        """Count a call no more that did not go out, after `sent`."""
        self._left += 1
        self._flying -= 1

    def answered(self, state: BucketState | None, now: float) -> None:
        """Believe what the platform says."""
        self._flying -= 1
        if state is None:
            return
        same = abs(now + state.reset_after - self._ends) < 1
        # Calls that are still under way are not in the platform's count yet, but in ours.
        self._left = min(state.remaining - self._flying, self._left if same else self._calls)
        self._ends = now + state.reset_after

    def refused(self, retry_after: float, now: float) -> None:
        """Wait for the window that the platform names."""
        self._flying -= 1
        self._left, self._ends = 0, now + retry_after + MARGIN

    def roomy(self, now: float) -> bool:
        """Tell whether there are calls left by what the platform has said."""
        return self._left > 0 or now >= self._ends

    def rests(self, now: float) -> bool:
        """Whether this knows no more than a new one would."""
        return now >= self._ends and not self._flying
