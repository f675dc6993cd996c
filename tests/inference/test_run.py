"""What a run over a folder shows while it goes on."""

from __future__ import annotations

import pytest

from vmnet_monai.inference.run import _progress_bar


@pytest.mark.parametrize(("total", "shown"), [(1, "1/1 photograph "), (3, "3/3 photographs "), (0, "0/0 photographs ")])
def test_progress_is_counted_on_stderr_alone(total: int, shown: str, capsys: pytest.CaptureFixture[str]) -> None:
    with _progress_bar() as show:
        for done in range(total + 1):
            show(done, total)
    printed = capsys.readouterr()
    assert shown in printed.err
    assert printed.out == ""


def test_a_run_that_stops_leaves_its_count(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(KeyboardInterrupt), _progress_bar() as show:
        show(1, 3)
        raise KeyboardInterrupt
    assert "1/3 photographs " in capsys.readouterr().err
