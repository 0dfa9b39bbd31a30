"""The fake of NVIDIA's module: it has what a release has, and nothing else."""

from pathlib import Path
from typing import Any

import pytest

from bindings.inventory import Inventory, inventories
from faketensorrt import FakeModule, content_of, fake_tensorrt
from faketensorrt.plans import four_numbers
from ignition_hub.engine.plan_header import read_plan_header
from smallmodels import dense, saved


def fakes() -> list[Any]:
    return [
        pytest.param(inventory, id=f"{inventory.release.flavor}-{inventory.release.version}")
        for inventory in inventories()
    ]


def built(fake: Any, folder: Path, model: Any, **settings: Any) -> bytes | None:
    """Build as the builder would, by names every release has."""
    logger = fake.Logger()
    builder = fake.Builder(logger)
    flags = fake.NetworkDefinitionCreationFlag.__members__.get("EXPLICIT_BATCH")
    network = builder.create_network(0 if flags is None else 1 << int(flags))
    parser = fake.OnnxParser(network, logger)
    assert parser.parse_from_file(str(saved(model, folder))), parser.get_error(0).desc()
    config = builder.create_builder_config()
    for name, value in settings.items():
        setattr(config, name, value)
    plan = builder.build_serialized_network(network, config)
    return None if plan is None else bytes(plan)


@pytest.mark.parametrize("inventory", fakes())
def test_a_fake_has_exactly_the_names_of_its_release(inventory: Inventory) -> None:
    fake = fake_tensorrt(inventory.release.version)

    missing = [name for name in inventory.names() if not has(fake, name)]
    others = {name for other in inventories() for name in other.names()}
    extra = [name for name in others if has(fake, name) and not inventory.has(name)]

    assert missing == []
    assert [name for name in extra if not name.startswith("Logger.")] == []


def has(module: Any, name: str) -> bool:
    found = module
    for part in name.split("."):
        if not hasattr(found, part):
            return False
        found = getattr(found, part)
    return True


@pytest.mark.parametrize("inventory", fakes())
def test_a_fake_plan_has_the_header_of_its_release(inventory: Inventory, tmp_path: Path) -> None:
    fake = fake_tensorrt(inventory.release.version)

    plan = built(fake, tmp_path, dense())

    assert plan is not None
    path = tmp_path / "plan"
    path.write_bytes(plan)
    with path.open("rb") as file:
        header = read_plan_header(file)
    assert header.flavor == inventory.release.flavor
    assert header.is_of(".".join(map(str, four_numbers(inventory.release.version))))
    assert header.size == len(plan)
    assert content_of(plan)["settings"]["avg_timing_iterations"] == 1


def test_an_attribute_of_a_later_release_is_refused() -> None:
    config = fake_tensorrt("10.0.1").Builder(None).create_builder_config()

    with pytest.raises(AttributeError, match="tiling_optimization_level"):
        config.tiling_optimization_level = 0
    with pytest.raises(AttributeError, match="runtime_platform"):
        config.runtime_platform = 0


def test_a_value_of_the_wrong_type_is_refused() -> None:
    fake = fake_tensorrt("10.12.0.36")
    config = fake.Builder(None).create_builder_config()

    with pytest.raises(TypeError, match="BuilderFlag"):
        config.set_flag("FP16")
    with pytest.raises(TypeError, match="hardware_compatibility_level"):
        config.hardware_compatibility_level = 1


def test_what_is_made_by_a_factory_only_has_no_constructor() -> None:
    with pytest.raises(TypeError, match="No constructor"):
        fake_tensorrt("11.4.0.106").IBuilderConfig()


def test_a_stubborn_property_keeps_its_value_and_says_so() -> None:
    fake, heard = listened("1.7.1.116")
    config = fake.Builder(heard.logger).create_builder_config()

    config.runtime_platform = fake.RuntimePlatform.WINDOWS_AMD64

    assert config.runtime_platform == fake.RuntimePlatform.SAME_AS_BUILD
    assert [severity for severity, _ in heard.said] == ["ERROR"]


def test_precision_flags_and_strong_typing_exclude_each_other(tmp_path: Path) -> None:
    fake, heard = listened("10.12.0.36")
    builder = fake.Builder(heard.logger)
    network = builder.create_network(1 << int(fake.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    assert fake.OnnxParser(network, heard.logger).parse_from_file(str(saved(dense(), tmp_path)))
    config = builder.create_builder_config()
    config.set_flag(fake.BuilderFlag.FP16)

    assert builder.build_serialized_network(network, config) is None
    assert "strongly typed" in heard.said[0][1]


def test_a_dynamic_network_without_a_profile_does_not_build(tmp_path: Path) -> None:
    fake = fake_tensorrt("10.13.3.9")

    assert built(fake, tmp_path, dense(batch="n")) is None
    assert built(fake, tmp_path, dense(batch=2)) is not None


def test_a_monitor_that_says_stop_stops_the_build(tmp_path: Path) -> None:
    fake = fake_tensorrt("10.8.0.43")

    class Monitor(fake.IProgressMonitor):  # type: ignore[name-defined, misc]
        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            self.last = phase_name

        def step_complete(self, phase_name: str, step: int) -> bool:
            return False

        def phase_finish(self, phase_name: str) -> None:
            raise AssertionError("it was told to stop")

    assert built(fake, tmp_path, dense(), progress_monitor=Monitor()) is None


def test_a_runtime_opens_plans_of_its_own_release_only(tmp_path: Path) -> None:
    plan = built(fake_tensorrt("10.3.0"), tmp_path, dense())
    own, other = fake_tensorrt("10.3.0"), fake_tensorrt("10.12.0.36")

    engine = own.Runtime(own.Logger()).deserialize_cuda_engine(plan)

    assert engine.get_tensor_name(0) == "x"
    assert engine.get_tensor_mode("x") == own.TensorIOMode.INPUT
    assert engine.get_tensor_profile_shape("x", 0) == [(2, 64)] * 3
    assert other.Runtime(other.Logger()).deserialize_cuda_engine(plan) is None


class Heard:
    """What a fake said through a logger of ours."""

    def __init__(self, fake: FakeModule) -> None:
        said: list[tuple[str, str]] = []

        class Logger(fake.ILogger):  # type: ignore[name-defined, misc]
            def log(self, severity: Any, message: str) -> None:
                said.append((severity.name, message))

        self.said, self.logger = said, Logger()


def listened(version: str) -> tuple[Any, Heard]:
    fake = fake_tensorrt(version)
    return fake, Heard(fake)
