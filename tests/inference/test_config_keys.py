"""Which keys of a config may be overridden."""

from __future__ import annotations

import pytest
from monai.bundle import ConfigParser

from vmnet_monai.inference.config_keys import check_keys

CONFIG = {
    "seed": 0,
    "blur": {"_target_": "GaussianSmoothd", "keys": "image"},
    "mixed": {"_target_": "builtins.dict", "a": 1},
    "train": {"handlers": [{"_target_": "StatsHandler"}]},
}


@pytest.mark.parametrize(
    "key",
    ["seed", "blur", "blur#keys", "blur#sigma", "blur#_disabled_", "train#handlers#0", "train#handlers#0#tag_name"],
)
def test_keys_and_arguments_of_components_may_be_overridden(key: str) -> None:
    check_keys(ConfigParser(CONFIG), [key])


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("sed", "no key sed: did you mean seed?"),
        ("blur#sigmas", "no key blur#sigmas: did you mean blur#sigma?"),
        ("trian#handlers", "no key trian: did you mean train?"),
        ("train#handlers#1", "no key train#handlers#1: all keys are in"),
        ("train#handlers#0#tagname", "did you mean train#handlers#0#tag_name"),
        ("seed#x", "no key seed#x: all keys are in"),
    ],
)
def test_others_are_refused_with_similar_ones(key: str, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        check_keys(ConfigParser(CONFIG), [key])
    assert message in str(caught.value)


def test_a_component_that_takes_any_argument_may_be_given_any() -> None:
    def flexible(**arguments: object) -> dict[str, object]:
        return arguments

    for target in (flexible, "vmnet_monai.handlers.RunTracker"):
        check_keys(ConfigParser({"part": {"_target_": target}}), ["part#anything"])


def test_a_component_whose_arguments_python_does_not_tell_may_be_given_any() -> None:
    check_keys(ConfigParser(CONFIG), ["mixed#b"])
