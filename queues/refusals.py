"""How many calls a server takes at once, learned from what it refuses.

Rising: one more with each reply while all places are taken, so that they double in the time of a call. At the first
refusal of a call that was admitted under today's limit a *trial* begins, and while it does not look well nothing
rises. Calls are numbered, and a refusal comes back sooner than a reply: so of the calls between the first refused one
and the latest, those not refused were taken, and the share is known long before the replies are there. After as many
calls as there are places (calls that began together come back together) and `ENOUGH` refusals it is decided. Few among
many are each their own call's affair. Otherwise there is one cut, to what was taken and a little less; then a hold,
long enough that finding the limit again costs about one call in a hundred; then up, slowly at first. But what was found
once may have been a storm that passes: the first hold is short, and up to half of what was good before the limit
doubles. Each time that it is found where it was the hold may be longer.

Cuts that leave the share as it was say that the server refuses by chance and not for our number: the limit goes back
to where it was, and this share is from then on the usual one. Where nearly nobody was taken the server is down, or a
quota is spent, which says nothing about a number: the limit begins anew, and rises to where it was.

Synchronous; the caller brings the time. Refused calls have to keep their places for about the time of a call
(`adaptive.py` sees to it): else they would come back at once, and the share would say nothing.
"""

from __future__ import annotations

import math
from typing import NamedTuple

START = 16
LEAST = 1 / 32
"""Below 1 a place rests most of the time."""
ENOUGH = 16
"""Refusals that tell the share to a quarter of itself."""
STRAY = 0.01
"""A share up to this is nobody's fault."""
NEARLY_ALL = 0.9
NOBODY = 10
"""After so many refusals and no reply between them everybody rests."""
BURST_S = 2.0
"""Servers save up for a burst; what they refuse within this time may be no more than its end."""
BY_CHANCE = 0.6
"""A larger share is never taken for a server's usual one."""
UNDER = 0.97
"""The limit after a cut, by what the server took."""
FIRST_STEP, LONGEST_STEP = 0.02, 0.25
STEP_S, HOLD_S = 2.0, 10.0
LESS = 0.6
"""A cut to less than this share of what the one before led to has found something new."""
SURER = 4
"""By which the longest hold grows with each cut that has not, `SUREST` times: to a month, with holds of ten seconds."""
SUREST = 9


class _Cut(NamedTuple):
    at: float
    used: float
    share: float


class RefusalLimit:
    """A limit between `LEAST` and `most`. `run`: refusals since the last reply; whoever hears of a reply sets it to 0.

    `last` is everywhere the number of the latest call, `call_s` how long a call takes.
    """

    def __init__(self, start: float, most: float) -> None:
        self.value = float(start)
        self.run = 0
        self._most = most
        self._rises_to = math.inf
        self._known_from = self._rested_from = 0  # calls up to these were admitted under another limit, before a rest
        self._trial = self._seen = self._refused = (
            0  # the trial's first and latest refused call; refusals after the first
        )
        self._used = 0.0  # places that were taken in the trial
        self._usual = 0.0
        self._cuts: list[_Cut] = []
        self._taken: float | None = None
        self._found_again = 0  # cuts since the last one that led to much less than the one before
        self._was_good = 0.0  # the limit before the cuts that have not been found again
        self._step = FIRST_STEP
        self._step_at, self._step_from, self._step_by = 0.0, 0, 0.0

    @property
    def rising(self) -> bool:
        return self.value < self._rises_to

    def served(self, last: int, now: float, call_s: float) -> None:
        """Hear of a reply that came while all places were taken."""
        if self._trial and self._doubtful(last):
            return
        if self.rising:
            self.value = min(self.value + 1, self._most)
        elif now >= self._step_at and (last >= self._step_from or now >= self._step_by):
            longest = LONGEST_STEP if self.value > self._was_good / 2 else 1.0
            self.value = min(self.value + min(max(1.0, self._step * self.value), longest * self.value), self._most)
            self._step = min(2 * self._step, longest)
            self._step_at = now + max(STEP_S, 2 * call_s)
            self._cuts.clear()

    def refused(self, number: int, last: int, used: float, now: float, call_s: float) -> bool:
        """Hear that a call was refused, while `used` places were taken. True: nobody is taken, all should rest."""
        if number <= self._known_from:
            return False
        self.run += 1
        if not self._trial or number - self._seen > 2 / STRAY:
            self._trial = self._seen = number
            self._refused, self._used = 0, 0.0
        elif number > self._trial:
            self._refused += 1
            self._seen = max(self._seen, number)
            self._used = max(self._used, min(self.value, used))
            self._decide(last, now, call_s)
        if self.run < NOBODY or number <= self._rested_from or self._share() <= NEARLY_ALL:
            return False
        self._rested_from = last  # those on their way do not prolong it
        self._cuts.clear()  # what is saved up while all rest makes the next share too small
        return True

    def _share(self) -> float:
        return self._refused / (self._seen - self._trial) if self._refused else 0.0

    def _doubtful(self, last: int) -> bool:
        """Whether more is refused than usual, and was until lately."""
        if last - self._seen > max(4.0, 2 * self.value):
            return False
        usual = (last - self._trial) * self._usual
        return self._refused >= 1 + usual + 2 * math.sqrt(usual)

    def _decide(self, last: int, now: float, call_s: float) -> None:
        asked, share = self._seen - self._trial, self._share()
        usual = asked * self._usual
        if asked >= self._used and self._refused - usual >= ENOUGH + 3 * math.sqrt(usual):
            if share > NEARLY_ALL:
                self._begin_anew(last, asked)
            elif share > STRAY + 1.5 * self._usual:
                self._cut(last, share, now, call_s)
            else:
                self._trial = 0
        elif asked >= ENOUGH / STRAY:
            self._usual += (share - self._usual) / 4 if self._usual else 0.0
            self._trial = 0

    def _begin_anew(self, last: int, asked: int) -> None:
        """Begin with few, and rise to where it was; with less than one only where replies come as well."""
        used = self._used
        if not used < self._rises_to < math.inf:
            self._rises_to = max(used, 1.0)
        self._step, self._step_at, self._step_from = FIRST_STEP, 0.0, 0
        fewer = START if used > START else max(used / 2, 1.0 if self.run >= asked else LEAST)
        self._set(last, min(self.value, fewer))

    def _cut(self, last: int, share: float, now: float, call_s: float) -> None:
        used = self._used
        alike = [cut for cut in self._cuts if 0.5 < cut.share / share < 2]
        self._cuts = [*alike, _Cut(now, used, share)]  # the first one, of a start, may be unlike all that follow
        if self._by_chance():
            self._usual = sum(cut.share for cut in self._cuts) / len(self._cuts)
            self._rises_to = math.inf
            self._set(last, self._cuts[0].used)
            self._cuts.clear()
            return
        taken = used * (1 - share) / (1 - self._usual)
        if self._taken is None or taken < LESS * self._taken:
            self._found_again = 0
            self._was_good = max(self._was_good, used)
        else:
            self._found_again += 1
            self._was_good = 0.0
            if used > self._taken and 0.75 < taken / self._taken < 1.33:  # from above: the mean of both is surer
                taken = (taken + self._taken) / 2
        self._taken = taken
        cost = ENOUGH if self._rises_to else self._refused  # a whole rise was refused: that is not repeated
        hold_s = max(HOLD_S, 4 * call_s)
        self._step, self._step_at, self._step_from = FIRST_STEP, now + hold_s, last + int(cost / STRAY)
        self._step_by = now + hold_s * SURER ** min(self._found_again, SUREST)
        self._rises_to = 0.0
        self._set(last, UNDER * taken)

    def _by_chance(self) -> bool:
        """Whether three cuts or more, over longer than a burst lasts, have left the share as it was."""
        shares = [cut.share for cut in self._cuts]
        alike = len(shares) >= 3 and max(shares) < 2 * min(shares) and sum(shares) / len(shares) < BY_CHANCE
        return alike and self._cuts[-1].at - self._cuts[0].at >= BURST_S

    def _set(self, last: int, value: float) -> None:
        """Set the limit; calls up to `last` were admitted under another one, and tell nothing of this one."""
        self.value = min(max(value, LEAST), self._most)
        self._known_from, self._trial = last, 0
