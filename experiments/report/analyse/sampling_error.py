"""What the choice of the test images adds to the error of every lead: no number of seeds takes it away. Pure.

Where every network kept its answer to each image, of the differences image by image (McNemar's test, over seeds), less
what they would spread by the seeds alone, which is counted with the seeds. One image more each way (Agresti and Min)
keeps it honest where few images part two rows. Where answers are not kept, of two binomial shares, as if each row had
been tested on images of its own: too large, since all rows meet the same hard images, but never too small.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from jaxtyping import Bool, Float

from experiments.report.load.runs import Answers

Pairs = Float[npt.NDArray[np.float64], "rows rows"]


Rows = Sequence[Sequence[Answers]]  # by row and seed


def standard_errors(rows: Rows) -> Pairs:
    """NaN where the size of a test set is not known."""
    if (right := right_answers(rows)) is not None:
        return errors_by_answers(right)
    if (images := fewest_images(rows)) is None:
        return np.full((len(rows), len(rows)), np.nan)
    return errors_by_binomial(np.array([np.mean([answers.accuracy for answers in row]) for row in rows]), images)


def fewest_images(rows: Rows) -> int | None:
    """Of the smallest test set; None where one is not known."""
    counts = [answers.images for row in rows for answers in row]
    return min((count for count in counts if count is not None), default=None) if None not in counts else None


def right_answers(rows: Rows) -> Bool[npt.NDArray[np.bool_], "rows seeds images"] | None:
    """None unless all kept their answers, to equally many images."""
    answers = [[network.right for network in row] for row in rows]
    sizes = {None if network is None else len(network) for row in answers for network in row}
    return np.array(answers) if len(sizes) == 1 and None not in sizes else None


def errors_by_answers(right: Bool[npt.NDArray[np.bool_], "rows seeds images"]) -> Pairs:
    """Standard error of the lead of each row over each."""
    _, seeds, images = right.shape
    answers = right.astype(np.float64)
    means = answers.mean(1)
    distances = squared_distances(means)
    by_seed = answers - means[:, None] - answers.mean(2, keepdims=True) + means.mean(1)[:, None, None]
    chance = squared_distances(by_seed.reshape(len(right), -1)) / max(1, (seeds - 1) * (images - 1))
    variance = (distances + 2) / images**2 - chance / (seeds * images)
    return np.sqrt(np.maximum(variance, 2 / images**2))


def squared_distances(points: Float[npt.NDArray[np.float64], "rows n"]) -> Pairs:
    products = points @ points.T
    own = np.diagonal(products)
    return np.maximum(own[:, None] + own[None, :] - 2 * products, 0)


def errors_by_binomial(shares: Float[npt.NDArray[np.float64], " rows"], images: int) -> Pairs:
    """One right and one wrong answer more (Agresti and Caffo) keep it honest at shares of 0 and 1."""
    shares = (shares * images + 1) / (images + 2)
    variance = shares * (1 - shares) / (images + 2)
    return np.sqrt(variance[:, None] + variance[None, :])
