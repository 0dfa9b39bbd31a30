"""What is recorded of the machine that a build ran on."""

import platform

from ignition_builder.environment import environment


def test_the_machine_is_named(tmp_path):
    found = environment(tmp_path / "none")

    assert (found["kernel"], found["architecture"], found["l4t"]) == (
        platform.release(),
        platform.machine(),
        None,
    )


def test_a_jetson_has_its_l4t_release(tmp_path):
    release = tmp_path / "nv_tegra_release"
    release.write_text("# R36 (release), REVISION: 4.3, GCID: 38968081, BOARD: generic, EABI: aarch64\n")

    assert environment(release)["l4t"] == "36.4.3"


def test_a_machine_without_a_name_is_unknown_and_no_error(tmp_path, monkeypatch):
    def nothing() -> dict[str, str]:
        raise OSError("no os-release")

    monkeypatch.setattr(platform, "freedesktop_os_release", nothing)

    assert environment(tmp_path / "none")["os"] is None
