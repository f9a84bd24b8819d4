import colorsys
import dataclasses
import itertools
import json

import pytest

from simone_tf.scenes.preset import COLORS, preset_to_json
from simone_tf.scenes.presets import PRESETS
from simone_tf.scenes.room import RoomPreset
from simone_tf.scenes.scene import SHAPES
from simone_tf.scenes.textures import TEXTURES


@pytest.mark.parametrize("preset", PRESETS.values(), ids=PRESETS)
def test_json_holds_every_field_of_a_preset(preset):
    values = json.loads(json.dumps(preset_to_json(preset)))
    assert values.pop("family") == preset.family
    assert values.keys() == {field.name for field in dataclasses.fields(preset)}
    assert [name for name, value in values.items() if _tuples(value) != getattr(preset, name)] == []


def _tuples(value):
    """What JSON gives back, which has no tuples."""
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value


@pytest.mark.parametrize("preset", PRESETS.values(), ids=PRESETS)
def test_presets_are_well_formed(preset):
    assert PRESETS[preset.name] is preset
    assert set(preset.colors) <= set(COLORS)
    if isinstance(preset, RoomPreset):
        assert set(preset.shapes) <= set(SHAPES)
        assert set(preset.textures) <= set(TEXTURES)
    for field in dataclasses.fields(preset):
        value = getattr(preset, field.name)
        if isinstance(value, tuple) and len(value) == 2 and not isinstance(value[0], str):
            assert value[0] <= value[1], field.name


@pytest.mark.parametrize("preset", PRESETS.values(), ids=PRESETS)
def test_another_size_keeps_the_scenes_and_renders_them_as_finely_as_it_shows(preset):
    assert preset.at_size(preset.size) == preset
    for size in (32, 64):
        assert preset.at_size(size) == dataclasses.replace(preset, size=size)
    large = preset.at_size(128)
    assert large == dataclasses.replace(preset, size=128, supersampling=2, shadow_map=1024)


def test_quickstart_is_no_easier_than_agreed():
    preset = PRESETS["quickstart"]
    assert preset.size >= 24
    assert preset.frames >= 4
    assert preset.camera_arc[0] >= 20
    assert preset.num_objects == (2, 3)
    assert len(set(preset.shapes)) >= 3
    assert len(set(preset.colors)) >= 6
    assert preset.max_object_fraction <= 0.25
    assert preset.shadow_depth[0] > 0
    for name in ("surface_saturation", "surface_value", "light_elevation", "light_brightness"):
        low, high = getattr(preset, name)
        assert low < high, name


def test_quickstart_colors_are_saturated_and_far_apart():
    hues = []
    for color in PRESETS["quickstart"].colors:
        hue, saturation, value = colorsys.rgb_to_hsv(*COLORS[color])
        assert saturation > 0.65
        assert value > 0.7
        hues.append(hue)
    for one, other in itertools.combinations(hues, 2):
        assert min(abs(one - other), 1 - abs(one - other)) > 0.06
