"""The order of the steps: each after those that make what it reads."""

import pytest

from jobs.pipeline import MODEL, REFRESH, UPDATE, Beside, Step, in_order
from jobs.steps import STEPS


def test_an_update_has_the_steps_of_the_full_fold():
    assert [step.name for step in in_order(UPDATE)] == ["ingest", *MODEL, "recommend"]
    assert {step.fold for step in in_order(UPDATE)} == {"full"}


def test_steps_that_run_at_the_same_time_read_nothing_of_each_other():
    for part in UPDATE:
        for branch in part.branches if isinstance(part, Beside) else ():
            made = {table for step in branch for table in STEPS[step.name].writes}
            others = [step for other in part.branches if other is not branch for step in other]
            assert not made & {table for step in others for table in STEPS[step.name].reads}


@pytest.mark.parametrize("steps", [REFRESH, UPDATE], ids=["refresh", "update"])
def test_what_a_step_reads_is_made_by_steps_above_it(steps):
    """In an update, or is of the release that it stands on."""
    made_here = {table for step in in_order(steps) for table in STEPS[step.name].writes}
    above: set[str] = {"the source"}
    for step in in_order(steps):
        assert made_here & set(STEPS[step.name].reads) <= above, step
        above |= set(STEPS[step.name].writes)


def test_branches_come_one_after_the_other_in_progress_lines():
    a, b, c, d = (Step(name, "full") for name in "abcd")
    assert in_order([a, Beside(((b,), (c, d)))]) == [a, b, c, d]
