"""What is told before PyTorch and MONAI are imported, which takes seconds: wrong paths, names and options.

These checks save time and decide nothing: whatever passes is checked again by the part that uses it.
"""

from __future__ import annotations

import gc
import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from vmnet_monai.errors import missing_package
from vmnet_monai.io.bundle import CONFIG_NAME, RENAMED_KEYS, bundle_path
from vmnet_monai.io.remote import check_address, is_remote
from vmnet_monai.io.slices import parse_slice_address
from vmnet_monai.io.weights import OPERATING_POINT_NAME, WEIGHTS_NAME, weights_path

__all__ = [
    "check_bundle",
    "check_datasets",
    "check_inputs",
    "check_keys",
    "check_model",
    "check_names",
    "check_output",
    "check_overlays",
    "check_runtimes",
    "loading",
]

RUNTIME_PACKAGES = {"onnx": "onnxruntime", "openvino": "openvino"}
RUNTIME_FILES = {"torchscript": "model.ts", "onnx": "model.onnx", "openvino": "model.xml"}


@contextmanager
def loading(what: str) -> Iterator[None]:
    """Say on stderr what begins, once where several processes work together, and import in the block what it needs.

    Where that imports PyTorch, garbage is not looked for: every few thousand new objects all are looked through, which
    takes 1.4 of 7.2 CPU-seconds. Afterwards what was imported is left out, here and in processes that are forked.
    """
    if os.environ.get("RANK", "0") == "0":
        print(f"{what}: loading PyTorch and MONAI takes some seconds ...", file=sys.stderr, flush=True)
    if "torch" in sys.modules:
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def check_bundle(bundle: str | None, config: str = CONFIG_NAME, or_file: bool = False) -> Path:
    """Return the folder of the bundle, or the exported file that stands for it.

    Args:
        bundle: as it was given; None for that of the package.
        config: the config that it must have.
        or_file: whether it may be a file.

    Raises:
        FileNotFoundError: if it is no bundle.
    """
    folder = bundle_path() if bundle is None else Path(bundle)
    if or_file and folder.is_file():
        return folder
    if not (folder / config).is_file():
        raise FileNotFoundError(
            f"{folder} is no bundle, {folder / config} is missing: give the folder of the bundle (`--bundle`), or "
            "leave it out for the one that came with the package."
        )
    return folder


def check_model(bundle: Path, model_dir: str | None) -> dict[str, Any]:
    """Return the operating point beside the weights as it stands in its file; empty where it cannot be read.

    Raises:
        FileNotFoundError: if weights or operating point are missing.
        ValueError: if a file is empty.
    """
    if bundle.is_file() and model_dir is None:
        return {}
    folder = bundle / "models" if model_dir is None else Path(model_dir)
    if model_dir is None and not folder.is_dir():
        return {}  # a config of its own may name another folder
    for path in (folder / OPERATING_POINT_NAME, weights_path(folder)):
        if not path.is_file():
            raise FileNotFoundError(
                f"{path} is missing: training writes {WEIGHTS_NAME} and {OPERATING_POINT_NAME} into one folder. Give "
                "the folder that holds both as `--model-dir`, or train first."
            )
        if path.stat().st_size == 0:
            raise ValueError(f"{path} is empty: take the files of the training or of the bundle again.")
    try:
        stored = json.loads((folder / OPERATING_POINT_NAME).read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        return {}  # told with the remedy where it is read
    return stored if isinstance(stored, dict) else {}


def check_names(point: Mapping[str, Any], thresholds: Iterable[str], explain: Sequence[str]) -> None:
    """Refuse thresholds of unknown names, and heat maps of unknown diseases.

    Args:
        point: from :func:`check_model`.
        thresholds: names of diseases and structures.
        explain: names of diseases, or one word.

    Raises:
        ValueError: naming those that are known.
    """
    structures, diseases = (_texts(point.get(key)) for key in ("structures", "diseases"))
    if not diseases:
        return
    for name in thresholds:
        if name not in (*structures, *diseases):
            raise ValueError(f"a threshold must be of one of {', '.join((*structures, *diseases))}, got {name!r}.")
    unknown = [name for name in explain if name not in diseases]
    if unknown and tuple(explain) not in (("positive",), ("all",), ("none",)):
        raise ValueError(
            f"the diseases to explain must be positive, all, none, or a list out of {', '.join(diseases)}; got "
            f"{', '.join(unknown)}."
        )


def check_inputs(inputs: Sequence[str]) -> None:
    """Refuse inputs of which none exists; where some do, the others are refused one by one.

    Raises:
        FileNotFoundError: naming them.
        ImportError: if the package that reads a bucket is not installed.
        ValueError: if there is no such kind of bucket.
    """
    if inputs and not any(map(_exists, inputs)):
        shown = ", ".join(inputs[:3]) + (", ..." if len(inputs) > 3 else "")
        raise FileNotFoundError(f"{shown}: no such file or folder. Give one that exists.")


def check_output(output: str | None) -> None:
    """Refuse an output folder that is a file, or lies in one.

    Raises:
        NotADirectoryError: naming the file.
        ValueError: if it is in a bucket.
    """
    if output is not None and is_remote(output):
        raise ValueError(f"the output must be a folder, and {output} is in a bucket: name a folder, and copy it there.")
    if output is not None:
        path = Path(output)
        for part in (path, *path.parents):
            if part.is_file():
                raise NotADirectoryError(
                    f"the output must be a folder, and {part} is a file or lies in one: name another."
                )


def check_runtimes(names: Iterable[str], folder: Path | None = None) -> None:
    """Refuse a runtime that is unknown or not installed, or whose file is missing.

    Args:
        names: the runtimes.
        folder: where their files lie; None where they are to be written.

    Raises:
        FileNotFoundError: if a file is missing.
        ImportError: if a package is not installed.
        ValueError: if there is no such runtime.
    """
    for name in names:
        if name not in RUNTIME_FILES:
            raise ValueError(f"the runtime must be one of {', '.join(RUNTIME_FILES)}, got {name!r}.")
        package = RUNTIME_PACKAGES.get(name)
        if package is not None and find_spec(package) is None:
            raise missing_package(f"the runtime {name}", package, "runtimes")
        if folder is not None and not (folder / RUNTIME_FILES[name]).is_file():
            raise FileNotFoundError(
                f"{folder / RUNTIME_FILES[name]} is missing: write it with `vmnet export --runtimes {name}`."
            )


def check_overlays(overlays: Sequence[str]) -> None:
    """Refuse overlays that are missing or are no JSON.

    Raises:
        FileNotFoundError: if one is missing.
        ValueError: if one holds no JSON object; YAML is left to MONAI.
    """
    for name in overlays:
        if not Path(name).is_file():
            raise FileNotFoundError(
                f"the config file {name} is missing: give the folder of a bundle as `--bundle`, a JSON or YAML file as "
                "`--overlay`."
            )
        if name.endswith(".json"):
            _read_object(Path(name))


def check_keys(configs: Sequence[Path], overlays: Sequence[str], keys: Iterable[str]) -> None:
    """Refuse keys of the config of which already the first part is unknown.

    Args:
        configs: the config files of the bundle.
        overlays: JSON or YAML files that are laid over them; with one of YAML nothing is checked.
        keys: with ``#`` or ``::`` leading into a key.

    Raises:
        ValueError: naming similar keys; a key that had another name once is left to the workflow, which names it.
    """
    if not all(name.endswith(".json") for name in overlays):
        return
    texts = [_read_object(path) for path in (*configs, *map(Path, overlays))]
    known = {name.removeprefix("+").partition("#")[0] for keys_of in texts for name in keys_of}
    for key in keys:
        first = key.replace("::", "#").partition("#")[0]
        if first not in known and not any(old.partition("#")[0] == first for old in RENAMED_KEYS):
            near = get_close_matches(first, known)
            remedy = f"did you mean {' or '.join(near)}?" if near else "all keys are in docs/reference/config-keys.md."
            raise ValueError(f"the config has no key {first}: {remedy}")


def check_datasets(names: Sequence[str], folders: Sequence[str]) -> None:
    """Refuse datasets whose folder is missing, but for phantoms, which are drawn.

    Args:
        names: names of datasets, as many as folders; none where the config names them.
        folders: folders, or tables.

    Raises:
        FileNotFoundError: naming the folder.
    """
    for name, folder in zip(names or ("",) * len(folders), folders, strict=True):
        if name != "phantom" and not _exists(folder):
            raise FileNotFoundError(
                f"the folder of the dataset{f' {name}' if name else ''} must exist, and {folder} does not: give "
                "another as `--dataset-dir`, a CSV file where the dataset is table."
            )


def _exists(name: str) -> bool:
    if is_remote(name):
        check_address(name)
        return True  # or told in its place: asking takes time
    try:
        address = parse_slice_address(name)
        return os.path.lexists(os.path.expanduser(name if address is None else address.path))
    except ValueError:
        return True  # told in its place


def _texts(value: Any) -> list[str]:
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []


def _read_object(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"the config file {path} must hold JSON and does not ({error}): correct it.") from None
    if not isinstance(content, dict):
        raise ValueError(f"the config file {path} must hold a JSON object of keys, got {type(content).__name__}.")
    return content
