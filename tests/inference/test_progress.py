"""The bar over the images of a run."""

from __future__ import annotations

import pytest
from rich.progress import Task, TaskID

from vmnet_monai.inference.progress import ProgressBar, _SecondsEach


@pytest.mark.parametrize(("total", "shown"), [(1, "1/1 photograph "), (3, "3/3 photographs "), (0, "0/0 photographs ")])
def test_progress_is_counted_on_stderr_alone(total: int, shown: str, capsys: pytest.CaptureFixture[str]) -> None:
    bar = ProgressBar()
    for done in range(total + 1):
        bar.update(done, total)
    printed = capsys.readouterr()
    assert shown in printed.err
    assert printed.out == ""


def test_seconds_are_the_mean_of_what_this_run_did() -> None:
    task = Task(TaskID(0), "", total=9, completed=6, _get_time=lambda: 10.0, fields={"before": 1})
    task.start_time = 0.0
    assert _SecondsEach().render(task).plain == "2 s each"
    task.completed = 1
    assert _SecondsEach().render(task).plain == ""


def test_a_run_that_stops_leaves_its_count(capsys: pytest.CaptureFixture[str]) -> None:
    bar = ProgressBar()
    bar.update(1, 3)
    bar.close()
    bar.close()
    assert "1/3 photographs " in capsys.readouterr().err
