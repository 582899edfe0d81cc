"""Which leads are clear, of rows that are judged together: at one cut, on the seeds that all of them have. Pure.

Rows of equal spread: a lead of two means is clear beyond q(.95; k, df) s / sqrt n, where q is the studentised range's
quantile and s what is left of k rows x n seeds once each row and each seed has its mean, with df = (k-1)(n-1). So in
5 % of all tables of k equal methods anybody is said to be behind, whatever k. Two rows: the paired t of before.

Rows of unequal spread: every pair by its own paired t, with Holm's correction for their number. Spreads count as
unequal where Cochran's test of the largest says so at the 20 % level: a few seeds show little, so it errs on the side
of the fallback. Of six equal methods, one with ten times the spread of the others, somebody is then said to be behind
in 8 % of cases for n = 3 (18 % without the fallback) and 4 % for n = 5; three rows of three seeds show nothing: 10 %.

The test set is a sample as well, and the same one for every seed: its share of the error, which no number of seeds
takes away, is added in quadrature at the normal distribution's quantiles (sampling_error.py).
"""

from dataclasses import dataclass
from functools import cache
from math import comb, inf, sqrt

import numpy as np
import numpy.typing as npt
from jaxtyping import Bool, Float
from scipy.special import fdtrc, gammaln, ndtr, ndtri, stdtrit

COVERED = 0.95
UNEQUAL = 0.2  # level of the test of equal spreads
FEWEST = 3  # seeds for a lead to be clear
Table = Float[npt.NDArray[np.float64], "*tables rows seeds"]
Pairs = Float[npt.NDArray[np.float64], "*tables rows rows"]
Points = Float[npt.NDArray[np.float64], " points"]


@dataclass(frozen=True)
class Judgement:
    """Of every row over every other: its lead, and half of the interval that holds it beside all other leads."""

    leads: Pairs
    halves: Pairs  # NaN where nothing can be said: one seed, a test set of unknown size
    n: int
    pairwise: Bool[npt.NDArray[np.bool_], "*tables"]  # spreads are unequal: pairs with Holm's correction

    @property
    def clear(self) -> npt.NDArray[np.bool_]:
        """Whether a row is ahead of another beyond all doubt that is admitted here."""
        return self.beyond(0)

    def beyond(self, lead: float) -> npt.NDArray[np.bool_]:
        """Whether a row is ahead of another by more than this, negative: behind by less, beyond all doubt."""
        return (self.leads - self.halves > lead) & (self.n >= FEWEST)


def judge(accuracies: Table, testset: Pairs) -> Judgement:
    """`testset`: standard error that the choice of test images gives each lead; NaN where it is unknown."""
    n = accuracies.shape[-1]
    means = accuracies.mean(-1)
    leads = means[..., :, None] - means[..., None, :]
    if n < 2:
        return Judgement(leads, np.full_like(leads, np.nan), n, np.zeros(leads.shape[:-2], bool))
    squares = residual_squares(accuracies)
    pairwise = spreads_differ(squares, n)
    halves = pooled_halves(squares, n, testset)
    if pairwise.any():
        by_pair = holm_halves(leads, difference_deviations(accuracies), n, testset)
        halves = np.where(pairwise[..., None, None], by_pair, halves)
    return Judgement(leads, halves, n, pairwise)


def residual_squares(accuracies: Table) -> Float[npt.NDArray[np.float64], "*tables rows"]:
    """Of each row, the sum of squares that neither its own mean nor those of the seeds explain."""
    residuals = accuracies - accuracies.mean(-1, keepdims=True)
    residuals = residuals - residuals.mean(-2, keepdims=True)
    return np.square(residuals).sum(-1)


def pooled_halves(squares: Float[npt.NDArray[np.float64], "*tables rows"], n: int, testset: Pairs) -> Pairs:
    k = squares.shape[-1]
    df = (k - 1) * (n - 1)
    seeds = studentised_range(k, df) * np.sqrt(squares.sum(-1) / df / n)
    return np.hypot(seeds[..., None, None], studentised_range(k, inf) / sqrt(2) * testset)


def spreads_differ(squares: Float[npt.NDArray[np.float64], "*tables rows"], n: int) -> npt.NDArray[np.bool_]:
    """Cochran's test: whether the largest of the rows' shares of all squares is too large for equal spreads."""
    k = squares.shape[-1]
    df = (k - 1) * (n - 1) / k  # of each row
    total = squares.sum(-1)
    largest = squares.max(-1) / np.where(total > 0, total, 1)
    ratio = (k - 1) * largest / np.maximum(1 - largest, 1e-12)
    return (k > 2) & (k * fdtrc(df, (k - 1) * df, ratio) < UNEQUAL)


def difference_deviations(accuracies: Table) -> Pairs:
    """Of the difference of every two rows over the seeds."""
    centred = accuracies - accuracies.mean(-1, keepdims=True)
    products = centred @ np.swapaxes(centred, -1, -2)
    own = np.diagonal(products, axis1=-2, axis2=-1)
    squares = own[..., :, None] + own[..., None, :] - 2 * products
    return np.sqrt(np.maximum(squares, 0) / (accuracies.shape[-1] - 1))


def holm_halves(leads: Pairs, deviation: Pairs, n: int, testset: Pairs) -> Pairs:
    """The error that is allowed is shared by the pairs that are not decided yet, until no more can be."""
    pairs = comb(leads.shape[-1], 2)
    decided = np.zeros(leads.shape, bool)
    halves = np.full_like(leads, inf)
    while True:
        undecided = np.maximum(pairs - decided.sum((-1, -2)) / 2, 1)
        tail = ((1 - COVERED) / 2 / undecided)[..., None, None]
        seeds = stdtrit(n - 1, 1 - tail) * deviation / sqrt(n)
        halves = np.where(decided, halves, np.hypot(seeds, ndtri(1 - tail) * testset))
        newly_decided = decided | (np.abs(leads) > halves)
        if (newly_decided == decided).all():
            return halves
        decided = newly_decided


@cache
def studentised_range(k: int, df: float) -> float:
    """Its 95 % quantile. (scipy.stats has it too, and costs 2 s to import.)"""
    low, high = 0.0, 1000.0
    while high - low > 1e-9 * high:
        middle = (low + high) / 2
        low, high = (middle, high) if range_within(middle, k, df) < COVERED else (low, middle)
    return high


def range_within(width: float, k: int, df: float) -> float:
    """Probability that k standard normal numbers, divided by an estimate of their deviation, span at most `width`."""
    z = np.linspace(-8, 8, 97)
    density = np.exp(-z * z / 2) / sqrt(2 * np.pi) * (z[1] - z[0])
    scales, weights = deviation_estimates(df)
    inner = ndtr(z) - ndtr(z - width * scales[:, None])
    return float(weights @ (k * inner ** (k - 1) @ density))


@cache
def deviation_estimates(
    df: float,
) -> tuple[Points, Points]:
    """Values that an estimate with so many degrees of freedom may take for 1, and how likely they are."""
    if df == inf:
        return np.ones(1), np.ones(1)
    log = np.linspace(-16, 4, 201) if df < 10 else np.linspace(-6, 3, 201) / sqrt(df / 10)
    density = np.exp(df / 2 * np.log(df / 2) + np.log(2) - gammaln(df / 2) + df * log - df / 2 * np.exp(2 * log))
    return np.exp(log), density * (log[1] - log[0])
