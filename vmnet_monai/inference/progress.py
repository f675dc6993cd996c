"""How far a run over many images is."""

from __future__ import annotations

from typing import Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

__all__ = ["ProgressBar", "Reporter"]


class Reporter(Protocol):
    """What a manifest tells of its progress."""

    def update(self, done: int, total: int) -> None:
        """Take the number of inputs that are done and that of all inputs."""

    def close(self) -> None:
        """End, whether all are done or not."""


class _SecondsEach(ProgressColumn):
    def render(self, task: Task) -> Text:
        # Over the whole run: rich's own speed leaves out the first step, and here a run may have but two.
        seconds, count = task.finished_time or task.elapsed or 0.0, task.completed - task.fields["before"]
        return Text(f"{seconds / count:.2g} s each" if count else "")


class ProgressBar:
    """Shows a bar on stderr, from the first update until all is done or it is closed."""

    def __init__(self) -> None:
        self._bar = Progress(
            MofNCompleteColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            _SecondsEach(),
            TimeRemainingColumn(elapsed_when_finished=True),
            console=Console(stderr=True),
            redirect_stdout=False,  # the summary stays on stdout
            redirect_stderr=False,
        )

    def update(self, done: int, total: int) -> None:
        """Show the number of inputs that are done, out of all."""
        if not self._bar.tasks:
            self._bar.add_task("photograph" if total == 1 else "photographs", total=total, completed=done, before=done)
            self._bar.start()
        self._bar.update(self._bar.task_ids[0], completed=done)
        if done == total:
            self.close()

    def close(self) -> None:
        """Leave the bar as it stands."""
        if self._bar.live.is_started:
            self._bar.stop()
