"""What is said of the measures holds together."""

from __future__ import annotations

import json
import re

from vmnet_monai.biomarkers.definitions import DEFINITIONS, VESSEL_TYPES, measures_of, units
from vmnet_monai.biomarkers.regions import REGIONS
from vmnet_monai.biomarkers.tables import data_dictionary


def test_every_measure_has_name_definition_unit_and_known_places() -> None:
    for name, one in DEFINITIONS.items():
        assert re.fullmatch("[a-z][a-z0-9_]+", name)
        assert one.name and one.definition.endswith(".")
        assert all(units(name)) and (one.power == 0) == bool(one.unit)
        assert set(one.vessel_types) <= VESSEL_TYPES.keys() and set(one.regions) <= {"", *REGIONS}
        assert "doi" in one.source or "arXiv" in one.source or not one.source


def test_measures_of_a_region_are_those_that_are_defined_there() -> None:
    assert measures_of("", "zone_b") == ["avr_knudtson", "avr_hubbard"]
    assert {"area_density", "fractal_dimension_d0"} <= set(measures_of("vein", "field"))
    assert measures_of("vein", "zone_a") == []


def test_the_dictionary_is_json_with_all_measures_in_their_order() -> None:
    dictionary = json.loads(json.dumps(data_dictionary()))
    assert list(dictionary["measures"]) == list(DEFINITIONS)
    assert dictionary["measures"]["crae_knudtson"]["units"] == ["px", "disc diameters", "um"]
    assert {"field", "zone_b", "superior_nasal"} < dictionary["regions"].keys() < REGIONS.keys(), (
        "those that are measured"
    )
