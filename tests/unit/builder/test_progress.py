"""Nested phases become one number that never goes back."""

from ignition_builder.progress import Phases, part_of


def test_a_nested_phase_counts_as_part_of_its_parents_step():
    phases = Phases()
    phases.begin("Building engine", None, 4)
    phases.step("Building engine", 0)
    phases.begin("Cloning", "Building engine", 10)
    phases.step("Cloning", 4)

    assert phases.fraction == (1 + 0.5) / 4


def test_the_fraction_never_goes_back():
    phases = Phases()
    phases.begin("Building engine", None, 2)
    phases.begin("Cloning", "Building engine", 2)
    phases.step("Cloning", 1)
    before = phases.fraction
    phases.end("Cloning")
    phases.begin("Timing", "Building engine", 10)

    assert phases.fraction == before == 0.5


def test_the_end_of_the_outermost_phase_is_the_end():
    phases = Phases()
    phases.begin("Building engine", None, 7)
    phases.end("Building engine")

    assert phases.fraction == 1.0


def test_unknown_phases_and_no_steps_do_no_harm():
    phases = Phases()
    phases.step("never begun", 3)
    phases.end("never begun")
    phases.begin("empty", None, 0)

    assert phases.fraction == 0.0


def test_a_stage_is_a_part_of_the_whole():
    heard: list[tuple[str, float]] = []
    watch = part_of(lambda phase, fraction: heard.append((phase, fraction)), 0.5, 1.0)
    watch("late", 0.5)
    watch("beyond", 7.0)

    assert heard == [("late", 0.75), ("beyond", 1.0)]
