"""Estimates: the median of a series of rounds, its interval, and whether more rounds are of use.

A figure is the median of a series: of the ratios of two runs of the same turn, or of one run's values, one
from each turn. A machine whose speed flips between two states a factor apart moves both runs of a turn alike
more often than not, so the ratio of a turn is nearer to the truth than the ratio of two medians, each of
which falls into one of the states.

The interval is that of the order statistics (the sign test turned around): of n independent values, the
number below the true median is binomial, so the k-th smallest and the k-th largest enclose it with the
probability 1 - 2 P(Bin(n, 1/2) < k). It knows nothing of how the values are distributed. With less than six
values there is none of 95 %. Turns are independent, as each has new processes; the slices of one are not,
which is why they are one value.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Estimate:
    """A median, its interval, and all that it comes from."""

    value: float
    low: float
    """Of the interval; minus infinity where there are too few values."""
    high: float
    smallest: float
    largest: float
    count: int

    @property
    def width(self) -> float:
        """Of the interval, as a part of the median."""
        return (self.high - self.low) / self.value if self.value else math.inf

    def certain(self, bound: float, precision: float) -> bool:
        """True when more rounds are of no use: the interval is narrow, or further from the bound than it is
        wide."""
        away = max(self.low - bound, bound - self.high)
        return self.width <= precision or (math.isfinite(self.width) and away > self.high - self.low)

    def decides(self, bound: float) -> bool:
        """True when the bound lies outside of the interval."""
        return not self.low <= bound <= self.high


def estimate(values: Sequence[float]) -> Estimate:
    """The median of at least one value, and its interval."""
    ordered = sorted(values)
    rank = enclosing(len(ordered))
    low, high = (ordered[rank - 1], ordered[-rank]) if rank else (-math.inf, math.inf)
    return Estimate(statistics.median(ordered), low, high, ordered[0], ordered[-1], len(ordered))


def enclosing(count: int) -> int:
    """The largest k for which the k-th smallest and k-th largest of so many values enclose the median often
    enough.

    0 when even the outermost do not.
    """
    rank, outside = 0, 0.0
    while rank < count // 2:
        outside += 2 * math.comb(count, rank) / 2**count
        if outside > 1 - CONFIDENCE:
            break
        rank += 1
    return rank
