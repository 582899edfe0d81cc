"""How many images may be unreadable before a run stops, and what is said of those left out."""

import logging
from dataclasses import dataclass, field

from datamodules.decode import BrokenImageError

log = logging.getLogger(__name__)


@dataclass
class Tolerance:
    """What to do about broken images: refuse the first, or leave out up to `most`; `left_out` has them by part."""

    skip: bool
    most: int
    left_out: dict[str, set[str]] = field(default_factory=lambda: {"train": set(), "test": set()})
    reported: int = 0

    @property
    def count(self) -> int:
        return sum(map(len, self.left_out.values()))

    def accept(self, part: str, broken: list[str], left: int) -> None:
        if broken and not self.skip:
            raise BrokenImageError(f"{broken[0]}; data.skip_broken=true leaves such images out")
        self.left_out[part].update(broken)
        if self.count > self.most:
            raise BrokenImageError(
                f"{self.count} broken images, more than data.broken_most allows ({self.most}), one of them: {broken[0]}"
            )
        if not left:
            raise BrokenImageError(f"a batch without one readable image, one of its {len(broken)}: {broken[0]}")

    def report(self) -> None:
        """At the end of a pass, if more were left out than was known."""
        if self.count > self.reported:
            self.reported = self.count
            example = min(set.union(*self.left_out.values()))
            log.warning("%d broken images left out so far, one of them: %s", self.count, example)
