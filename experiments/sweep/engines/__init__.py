"""Where the jobs of a sweep run: each engine is a module with make(values). Imports no torch."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping

from experiments.records.jobs import Job
from experiments.sweep.task import Task


class Engine(ABC):
    @abstractmethod
    def refuse(self, trainer: Mapping[str, object]) -> None:
        """Raises ValueError, in one line, for what could run no job: before the first one is asked for."""

    @abstractmethod
    def run(self, tasks: Iterable[Task], report: Callable[[Job], None], tick: Callable[[], None]) -> None:
        """Until all have ended. Each is reported when it begins and when it ends, `tick` called now and then between.
        After a request to leave none is begun. Calls both in the thread that called."""
