"""An MLflow store that cannot be used is told at once, with its name and the ways out."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from vmnet_monai.io.tracking_store import check_tracking_store, is_tracked


@pytest.fixture(autouse=True)
def direct(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


@pytest.fixture
def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def answering() -> Iterator[dict[str, int]]:
    """A server on loopback that answers with the status that a test sets."""
    state = {"status": 200}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(state["status"])
            self.end_headers()

        def log_message(self, *arguments: object) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    state["port"] = server.server_port
    yield state
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("scheme", ["http://", "postgresql://", "mysql+pymysql://"])
def test_a_server_that_is_not_there_is_named_with_the_ways_out(
    scheme: str, closed_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = f"{scheme}reader:secret@127.0.0.1:{closed_port}/runs"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    with pytest.raises(OSError, match="cannot be used") as caught:
        check_tracking_store(uri)
    message = str(caught.value)
    for part in (f"127.0.0.1:{closed_port}", "(of MLFLOW_TRACKING_URI)", "tracking_uri", "`--tracking none`"):
        assert part in message
    assert "secret" not in message


@pytest.mark.parametrize("status", [200, 401, 404])
def test_a_server_that_answers_is_left_to_mlflow(status: int, answering: dict[str, int]) -> None:
    answering["status"] = status
    check_tracking_store(f"http://127.0.0.1:{answering['port']}/")


def test_a_server_in_trouble_cannot_be_used(answering: dict[str, int]) -> None:
    answering["status"] = 503
    with pytest.raises(OSError, match="it answers 503"):
        check_tracking_store(f"http://127.0.0.1:{answering['port']}")


def test_a_database_needs_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for uri in (
        f"sqlite:///{tmp_path}/runs.db",
        "sqlite:///runs.db",
        "databricks",
        "databricks://profile",
        None,
        "none",
    ):
        check_tracking_store(uri)
    for uri in (f"sqlite:///{tmp_path}/gone/runs.db", "sqlite:///gone/runs.db"):
        with pytest.raises(OSError, match=r"no folder .*gone"):
            check_tracking_store(uri)


def test_none_switches_tracking_off() -> None:
    assert [is_tracked(uri) for uri in (None, "none", "None", "sqlite:///runs.db")] == [False, False, False, True]
