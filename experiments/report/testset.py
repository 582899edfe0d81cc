"""What the choice of the test images adds to the error of every lead: no number of seeds takes it away. Pure.

Where every network kept its answer to each image, of the differences image by image (McNemar's test, over seeds), less
what they would spread by the seeds alone, which is counted with the seeds. One image more each way (Agresti and Min)
keeps it honest where few images part two rows. Where answers are not kept, of two binomial shares, as if each row had
been tested on images of its own: too large, since all rows meet the same hard images, but never too small.
"""

import numpy as np
from jaxtyping import Bool, Float

Pairs = Float[np.ndarray, "rows rows"]


def by_answers(right: Bool[np.ndarray, "rows seeds images"]) -> Pairs:
    """Standard error of the lead of each row over each."""
    _, seeds, images = right.shape
    answers = right.astype(np.float64)
    means = answers.mean(1)
    apart = squared_distances(means)
    by_seed = answers - means[:, None] - answers.mean(2, keepdims=True) + means.mean(1)[:, None, None]
    chance = squared_distances(by_seed.reshape(len(right), -1)) / max(1, (seeds - 1) * (images - 1))
    variance = (apart + 2) / images**2 - chance / (seeds * images)
    return np.sqrt(np.maximum(variance, 2 / images**2))


def squared_distances(points: Float[np.ndarray, "rows n"]) -> Pairs:
    products = points @ points.T
    own = np.diagonal(products)
    return np.maximum(own[:, None] + own[None, :] - 2 * products, 0)


def by_binomial(shares: Float[np.ndarray, " rows"], images: int) -> Pairs:
    """One right and one wrong answer more (Agresti and Caffo) keep it honest at shares of 0 and 1."""
    shares = (shares * images + 1) / (images + 2)
    variance = shares * (1 - shares) / (images + 2)
    return np.sqrt(variance[:, None] + variance[None, :])
