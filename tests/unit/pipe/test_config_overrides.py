"""Overrides as data over every kind of config field, and the effective config that they make."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import lsst.pex.config as pexConfig
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lsst.pipe.base import Task

from underbutler import CmdLineTask
from underbutler.errors import UnknownNameError, UsageError
from underbutler.pipe import apply_overrides, config_digest, config_json, effective_config, plugins
from underbutler.pipe.config import overrides as overrides_module
from underbutler.pipe.config.job_config import differences
from underbutler.pipe.config.overrides import split_word
from underbutler.pipe.faults import Faults
from underbutler.pipe.step_config import configure


class DetectConfig(pexConfig.Config):
    threshold = pexConfig.Field(dtype=float, default=5.0, doc="detection threshold, in sigma")
    grow = pexConfig.RangeField(dtype=int, default=1, min=0, max=9, doc="pixels")
    name = pexConfig.Field(dtype=str, default="x", optional=True, doc="a text")
    isOn = pexConfig.Field(dtype=bool, default=True, doc="a switch")
    method = pexConfig.ChoiceField(dtype=str, default="a", allowed={"a": "A", "b": "B"}, doc="one of two")
    bins = pexConfig.ListField(dtype=int, default=[1], doc="sizes")
    planes = pexConfig.ListField(dtype=str, default=[], doc="names")
    weights = pexConfig.DictField(keytype=str, itemtype=float, default={"a": 1.0}, doc="by name")
    bits = pexConfig.DictField(keytype=int, itemtype=str, default={}, doc="by number")


class DetectTask(Task):
    ConfigClass = DetectConfig


class WaveConfig(pexConfig.Config):
    width = pexConfig.Field(dtype=int, default=3, doc="pixels")


class WaveTask(Task):
    ConfigClass = WaveConfig


psfs = pexConfig.makeRegistry("ways to model")
psfs.register("gauss", DetectTask)
psfs.register("wave", WaveTask)


class TopConfig(pexConfig.Config):
    detect = pexConfig.ConfigField(dtype=DetectConfig, doc="nested")
    sub = pexConfig.ConfigurableField(target=DetectTask, doc="subtask")
    psf = psfs.makeField("one of many", default="gauss")
    several = psfs.makeField("some of many", default=["gauss"], multi=True)
    parts = pexConfig.ConfigDictField(keytype=str, itemtype=WaveConfig, default={}, doc="configs by name")

    def validate(self) -> None:
        super().validate()
        if self.detect.grow == 7:
            raise ValueError("seven pixels are not allowed")


class TopTask(CmdLineTask):
    ConfigClass = TopConfig
    _DefaultName = "top"

    @classmethod
    def applyOverrides(cls, config: Any) -> None:
        config.detect.threshold = 4.0


def apply_text(config: TopConfig, word: str) -> list[Any]:
    """Apply one ``PATH=VALUE``."""
    return overrides_module.apply_text(config, *split_word(word), f"-c {word}")


def apply_file(config: TopConfig, file: Path) -> list[list[Any]]:
    """Apply a file as a command line does."""
    line = TopTask._makeArgumentParser().read(["demo", "-C", str(file)])
    faults = Faults()
    configured = configure(config, None, line.request.steps[0].config, line.local, faults, "config")
    faults.raise_if_any()
    assert configured is not None
    return list(configured.overrides)


@pytest.fixture(autouse=True)
def subtasks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Register one subtask, as an installed distribution would."""

    def load(name: str) -> Any:
        if name != "wave":
            raise UnknownNameError.of("subtask", name, ["wave"])
        return WaveTask

    monkeypatch.setattr(overrides_module, "load_subtask", load)
    assert plugins.SUBTASK_GROUP == "underbutler.subtasks"


@pytest.mark.parametrize(
    ("word", "override"),
    [
        ("detect.threshold=3", ["detect.threshold", 3.0]),
        ("detect.threshold=1e-3", ["detect.threshold", 0.001]),
        ("detect.threshold=inf", ["detect.threshold", "inf"]),
        ("detect.grow=4", ["detect.grow", 4]),
        ("detect.isOn=false", ["detect.isOn", False]),
        ("detect.isOn=True", ["detect.isOn", True]),
        ("detect.name=None", ["detect.name", None]),
        ("detect.name='None'", ["detect.name", "None"]),
        ("detect.name=a=b c", ["detect.name", "a=b c"]),
        ("detect.method=b", ["detect.method", "b"]),
        ("detect.bins=1,2", ["detect.bins", [1, 2]]),
        ("detect.bins=[3, 4]", ["detect.bins", [3, 4]]),
        ("detect.bins=[]", ["detect.bins", []]),
        ("detect.planes=CR,SAT", ["detect.planes", ["CR", "SAT"]]),
        ('detect.planes=["CR"]', ["detect.planes", ["CR"]]),
        ("detect.weights={'q': 1}", ["detect.weights", {"q": 1.0}]),
        ("detect.weights.b=2", ["detect.weights.b", 2.0]),
        ("detect.bits.3=SAT", ["detect.bits.3", "SAT"]),
        ('detect.bits={"3": "SAT"}', ["detect.bits", {"3": "SAT"}]),
        ("sub.threshold=2", ["sub.threshold", 2.0]),
        ("sub.target=wave", ["sub.target", "wave"]),
        ("sub=wave", ["sub", "wave"]),
        ("psf=wave", ["psf", "wave"]),
        ("psf.name=wave", ["psf.name", "wave"]),
        ("psf['wave'].width=8", ["psf.wave.width", 8]),
        ("psf.active.threshold=8", ["psf.active.threshold", 8.0]),
        ("several=gauss,wave", ["several", ["gauss", "wave"]]),
        ("several.names=['wave']", ["several.names", ["wave"]]),
    ],
)
def test_a_word_becomes_data_that_gives_the_same_config_again(word: str, override: list[Any]) -> None:
    first, second = TopConfig(), TopConfig()
    assert apply_text(first, word) == override
    assert apply_overrides(second, json.loads(json.dumps([override]))) == [override]
    assert config_json(first) == config_json(second)
    is_without_effect = word == "detect.isOn=True" or word.startswith("psf['wave']")  # the default; not chosen
    assert (config_json(first) == config_json(TopConfig())) is is_without_effect


@pytest.mark.parametrize(
    ("word", "text"),
    [
        ("detect.treshold=3", "has no 'treshold'. Did you mean 'threshold'? Its fields: bins,"),
        ("detct.threshold=3", "has no 'detct'. Did you mean 'detect'?"),
        ("detect.threshold=abc", "Config detect.threshold takes a float, not 'abc'"),
        ("detect.threshold=__import__('os').getpid()", "takes a float"),
        ("detect.threshold=None", "takes a float"),
        ("detect.grow=77", "77 is outside of valid range"),
        ("detect.grow=1.5", "takes an integer"),
        ("detect.isOn=1", "takes true or false"),
        ("detect.method=z", "Value z is not allowed"),
        ("detect.bins=1,b", "takes an integer, not 'b'"),
        ("detect.weights=3", "takes a dict"),
        ("detect.bits.x=SAT", "takes an integer, not 'x'"),
        ("detect=3", "'detect' is a nested config"),
        ("psf=waves", "No choice of config field 'psf' is called 'waves'. Did you mean 'wave'?"),
        ("psf.waves.width=1", "Did you mean 'wave'?"),
        ("psf.wave=1", "'psf.wave' names a nested config"),
        ("sub.target=os.system", "No subtask is called 'os.system'"),
        ("detect.threshold.x=1", "'detect.threshold' is a value and has no fields"),
        ("detect.threshold", "-c takes PATH=VALUE"),
        ("=3", "needs the path of a config field"),
        ("..=3", "is not a valid config field"),
        ("parts.a.width=3", "'a'"),
    ],
)
def test_a_bad_word_names_the_field_and_changes_nothing(word: str, text: str) -> None:
    config = TopConfig()
    with pytest.raises(UsageError) as error:
        apply_text(config, word)
    assert text in str(error.value)
    assert config_json(config) == config_json(TopConfig())


@pytest.mark.parametrize(
    "pair",
    [
        ["detect.threshold", "3"],
        ["detect.threshold", True],
        ["detect.threshold", None],
        ["detect.threshold"],
        ["detect.grow", 1.0],
        ["detect.name", 3],
        ["detect.bins", "1"],
        ["detect.isOn", 1],
        ["psf", 3],
        ["sub", 3],
        "ab",
        [3, 3],
    ],
)
def test_data_of_another_type_is_refused(pair: Any) -> None:
    with pytest.raises(UsageError):
        apply_overrides(TopConfig(), [pair])


def test_overrides_apply_in_order_and_retargets_bring_fields() -> None:
    config = effective_config(TopTask, [["sub.threshold", 1.0], ["sub.target", "wave"], ["sub.width", 9]])
    rendered = config_json(config)
    assert rendered["sub"] == {"@target": f"{WaveTask.__module__}.WaveTask", "width": 9}
    assert rendered["detect"]["threshold"] == 4.0
    assert effective_config(TopTask, [["detect.threshold", 3.0]]).detect.threshold == 3.0


def test_an_effective_config_is_validated_and_frozen() -> None:
    with pytest.raises(UsageError, match="TopConfig is not valid: seven pixels are not allowed"):
        effective_config(TopTask, [["detect.grow", 7]])
    with pytest.raises(pexConfig.FieldValidationError):
        effective_config(TopTask).detect.threshold = 1.0


def test_the_digest_tells_configs_apart_and_not_the_way_to_them() -> None:
    one = effective_config(TopTask, [["detect.threshold", 1.0], ["detect.threshold", 3.0]])
    other = effective_config(TopTask, [["detect.threshold", 3.0]])
    assert config_digest(one) == config_digest(other) == config_digest(config_json(other))
    assert config_digest(one) != config_digest(effective_config(TopTask))
    assert config_digest(effective_config(TopTask, [["psf", "wave"]])) != config_digest(effective_config(TopTask))


@given(
    st.floats(allow_nan=False),
    st.lists(st.integers(-(2**31), 2**31)),
    st.dictionaries(st.text(), st.floats(allow_nan=False)),
)
def test_values_come_back_from_json_as_they_were(threshold: float, bins: list[int], weights: dict[str, float]) -> None:
    given_pairs = [["detect.threshold", threshold], ["detect.bins", bins], ["detect.weights", weights]]
    recorded = json.loads(json.dumps(apply_overrides(TopConfig(), given_pairs), allow_nan=False))
    config = TopConfig()
    assert apply_overrides(config, recorded) == recorded
    assert (config.detect.threshold, list(config.detect.bins), dict(config.detect.weights)) == (
        threshold,
        bins,
        weights,
    )


def test_a_toml_file_is_a_nested_config(tmp_path: Path) -> None:
    file = tmp_path / "over.toml"
    file.write_text(
        """
        [detect]
        threshold = 3
        bins = [2, 3]
        weights = { a = 2, b = 3 }
        [sub]
        width = 5
        target = "wave"
        [psf]
        name = "wave"
        wave.width = 4
        """
    )
    config = TopConfig()
    assert apply_file(config, file) == [
        ["detect.threshold", 3.0],
        ["detect.bins", [2, 3]],
        ["detect.weights", {"a": 2.0, "b": 3.0}],
        ["sub.target", "wave"],
        ["sub.width", 5],
        ["psf.name", "wave"],
        ["psf.wave.width", 4],
    ]
    file.write_text("[detect]\ntreshold = 3\n")
    with pytest.raises(UsageError, match=r"over\.toml: There is no config field 'detect\.treshold'"):
        apply_file(config, file)
    file.write_text("config.detect.threshold = 3; import os")
    with pytest.raises(UsageError, match="is not TOML"):
        apply_file(config, file)


def test_differences_name_each_field_with_both_values() -> None:
    old = {"a": 1, "b": {"c": [1], "d": 2}, "e": {}}
    new = {"a": 1, "b": {"c": [2], "f": 3}, "e": {}}
    assert differences(old, new) == [("b.c", [1], [2]), ("b.d", 2, "(absent)"), ("b.f", "(absent)", 3)]
