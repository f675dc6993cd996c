"""Whether the MLflow store of a training or model can be used, told before anything else is done."""

from __future__ import annotations

import os
import re
import socket
from contextlib import suppress
from pathlib import Path
from urllib.parse import unquote, urlsplit

__all__ = ["TRACKING_VARIABLE", "check_tracking_store", "is_tracked", "unusable_store"]

TRACKING_VARIABLE = "MLFLOW_TRACKING_URI"
"""Environment variable that names MLflow's store."""

SECONDS = 4
"""How long a server may take to be reached, and to answer: MLflow itself tries again for minutes."""

SERVER_ERROR = 500
"""HTTP status from which on a server, or a proxy before it, says that it cannot answer."""

PORTS = {"postgresql": 5432, "mysql": 3306, "mssql": 1433}
"""Ports of the databases that MLflow knows, where the address has none."""


def is_tracked(uri: str | None) -> bool:
    """Tell whether a store is named: not by None or ``"none"``, which switch tracking off."""
    return uri is not None and uri.lower() != "none"


def check_tracking_store(uri: str | None) -> None:
    """Look, for a few seconds, whether an MLflow store can be reached.

    Args:
        uri: address of a server, or of a database; others, such as ``databricks``, are left to MLflow, and of none
            (:func:`is_tracked`) nothing is asked.

    Raises:
        OSError: if the server does not answer, or the folder of the database is missing.
    """
    if uri is None or not is_tracked(uri):
        return
    parts = urlsplit(uri)
    try:
        if parts.scheme in ("http", "https"):
            _ask(uri)
        elif parts.scheme == "sqlite":
            folder = Path(unquote(parts.path[1:])).absolute().parent
            if not folder.is_dir():
                raise NotADirectoryError(f"there is no folder {folder}")
        elif parts.hostname and (port := parts.port or PORTS.get(parts.scheme.partition("+")[0])):
            socket.create_connection((parts.hostname, port), SECONDS).close()
    except OSError as error:
        raise unusable_store(uri, _innermost(error)) from error


def unusable_store(uri: str, reason: str) -> OSError:
    """Return the error that names a store, why it cannot be used, and the ways out.

    Args:
        uri: address of the store; a password in it is left out.
        reason: what is wrong.
    """
    by = f" (of {TRACKING_VARIABLE})" if uri == os.environ.get(TRACKING_VARIABLE) else ""
    return OSError(
        f"the MLflow store {re.sub(r'//[^/]*@', '//', uri)}{by} cannot be used ({reason}): start it, name another by "
        f"{TRACKING_VARIABLE} or the key tracking_uri, or switch tracking off by `--tracking none` of vmnet train, "
        "tracking_uri none in a config."
    )


def _ask(uri: str) -> None:
    """Ask an MLflow server whether it is there, by the way that MLflow goes.

    It may answer anything, as one that asks for a login does, but an error of the server or of a proxy before it.

    Raises:
        OSError: if there is no answer.
    """
    import requests  # MLflow's own; commands that track nothing need not import it

    health = f"{uri.rstrip('/')}/health"
    # One with another certificate answers too; which ones are trusted is told by MLflow's own variables.
    with suppress(requests.exceptions.SSLError), requests.get(health, timeout=SECONDS, stream=True) as answer:
        if answer.status_code >= SERVER_ERROR:
            raise OSError(f"it answers {answer.status_code} {answer.reason}")


def _innermost(error: BaseException) -> str:
    """What a chain of network errors begins with, such as "Connection refused"."""
    while error.__context__ is not None:
        error = error.__context__
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
