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
        print(
            'error: the MONAI Deploy App SDK is missing: install it with `pip install "vmnet_monai[deploy,dicom]"`.',
            file=sys.stderr,
        )
        return CANNOT_RUN
    warnings.simplefilter("ignore")  # pydicom's quote values of DICOM objects
    try:
        _load_cuda_runtime()
        from vmnet_monai.deploy.app import run

        return run(sys.argv if argv is None else argv)
    except (ImportError, OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
    except Exception as error:
        from vmnet_monai.deploy.outcome import place_of

        print(f"error: {place_of(error)}", file=sys.stderr)
    return CANNOT_RUN


def _load_cuda_runtime() -> None:
    """Load the CUDA runtime from its pip package: the SDK is linked to it, without a GPU too, and does not find it."""
    from cuda.pathfinder import load_nvidia_dynamic_lib

    load_nvidia_dynamic_lib("cudart")


if __name__ == "__main__":
    sys.exit(main())
