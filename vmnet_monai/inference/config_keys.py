"""Which keys of a config may be overridden: a misspelt one would be added without a message, and change nothing."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from inspect import Parameter, signature
from pydoc import locate
from typing import Any

from monai.bundle import ComponentLocator, ConfigComponent, ConfigParser

__all__ = ["check_keys"]


def check_keys(config: ConfigParser, keys: Iterable[str]) -> None:
    """Refuse keys of overrides that nothing would read.

    Args:
        config: the config without the overrides.
        keys: with ``#`` leading into a key.

    Raises:
        ValueError: if the config has no such key, and it is no argument of a component of the config either; the
            message names similar keys.

    Example:
        >>> check_keys(ConfigParser({"seed": 0, "trainer": {"max_epochs": 3}}), ["trainer#max_epoch"])
        Traceback (most recent call last):
        ValueError: the config has no key trainer#max_epoch: did you mean trainer#max_epochs?
    """
    for key in keys:
        _check_key(config, key)


def _check_key(config: ConfigParser, key: str) -> None:
    parent = ""
    for name in key.split("#"):
        path = f"{parent}#{name}".lstrip("#")
        if path not in config:
            names = _names_in(config[parent])
            if names is None or name in names:
                return
            near = [f"{parent}#{one}".lstrip("#") for one in get_close_matches(name, names)]
            remedy = f"did you mean {' or '.join(near)}?" if near else "all keys are in docs/reference/config-keys.md."
            raise ValueError(f"the config has no key {path}: {remedy}")
        parent = path


def _names_in(content: Any) -> set[str] | None:
    """Keys that a part of a config may have: its own, and the arguments of the component that it describes.

    Returns:
        The names, None where any may be given.
    """
    if not isinstance(content, dict):
        return set()
    names = {key for key in content if not key.startswith("_")}
    if not ConfigComponent.is_instantiable(content):
        return names
    target = ConfigComponent(content, locator=ComponentLocator()).resolve_module_name()
    component: Any = locate(target) if isinstance(target, str) else target
    try:
        parameters = signature(component).parameters.values()
    except (TypeError, ValueError):  # there is no such component, which MONAI tells, or it is not written in Python
        return None
    if any(parameter.kind is Parameter.VAR_KEYWORD for parameter in parameters):
        return None
    return names | {parameter.name for parameter in parameters} | {"_disabled_", "_requires_", "_mode_", "_desc_"}
