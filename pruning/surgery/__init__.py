"""What a selection means (`mask`), the same function in a smaller network (`compact`), and the proof (`certify`)."""

from pruning.surgery.certificate import certify
from pruning.surgery.compact import compact
from pruning.surgery.mask import mask

__all__ = ["certify", "compact", "mask"]
