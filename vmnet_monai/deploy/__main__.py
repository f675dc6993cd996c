"""Run the MONAI Deploy application: ``python -m vmnet_monai.deploy -i INPUT -o OUTPUT -m MODEL``."""

from __future__ import annotations

import importlib.util
import sys
import warnings
from collections.abc import Sequence

CANNOT_RUN = 2
"""Exit code: the application could not run."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the application.

    Args:
        argv: the program and its arguments.

    Returns:
        Exit code, see :func:`vmnet_monai.deploy.app.run`, or :data:`CANNOT_RUN`.
    """
    if importlib.util.find_spec("holoscan") is None:
        return _cannot_run(
            'the MONAI Deploy App SDK is missing: install it with `pip install "vmnet_monai[deploy,dicom]"`.'
        )
    warnings.simplefilter("ignore")  # pydicom's quote values of DICOM objects
    try:
        _load_cuda_runtime()
        from vmnet_monai.deploy.app import prepare, run

        application = prepare(sys.argv if argv is None else argv)
    except (ImportError, OSError, ValueError) as error:
        return _cannot_run(str(error))  # which cannot quote a photograph: none was read so far
    except Exception as error:
        return _cannot_run(_place_of(error))
    try:
        return run(application)
    except Exception as error:
        return _cannot_run(_place_of(error))


def _cannot_run(reason: str) -> int:
    print(f"error: {reason}", file=sys.stderr)
    return CANNOT_RUN


def _place_of(error: Exception) -> str:
    from vmnet_monai.deploy.outcome import place_of

    return place_of(error)


def _load_cuda_runtime() -> None:
    """Load the CUDA runtime from its pip package: the SDK is linked to it, without a GPU too, and does not find it."""
    from cuda.pathfinder import load_nvidia_dynamic_lib

    load_nvidia_dynamic_lib("cudart")


if __name__ == "__main__":
    sys.exit(main())
