"""Boolean matrices as text, for records and descriptions: row by row in bits, deflated, base64. Imports no torch."""

import base64
import zlib

import numpy as np
from jaxtyping import Bool

LEVEL = 9  # of zlib: group patterns repeat themselves, 512 x 512 kernels in four groups take about a kilobyte


def encode(mask: Bool[np.ndarray, "rows columns"]) -> str:
    return base64.b64encode(zlib.compress(np.packbits(mask).tobytes(), LEVEL)).decode()


def decode(text: str, rows: int, columns: int) -> Bool[np.ndarray, "rows columns"]:
    """Raises ValueError for text that is not a matrix of this shape; never inflates more than that takes."""
    size = -(-rows * columns // 8)
    try:
        unpacked = zlib.decompressobj().decompress(base64.b64decode(text, validate=True), size + 1)
    except (ValueError, zlib.error) as error:
        raise ValueError(f"not a bitmap: {error}") from error
    if len(unpacked) != size:
        raise ValueError(f"a bitmap of {rows} x {columns} takes {size} bytes, got {len(unpacked)} or more")
    bits = np.unpackbits(np.frombuffer(unpacked, np.uint8), count=rows * columns)
    return bits.astype(bool).reshape(rows, columns)
