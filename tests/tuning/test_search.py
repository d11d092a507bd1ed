import math

from recsys_spark.config.settings import Settings
from recsys_spark.tuning.search import Trial, chosen, confirm, search
from recsys_spark.tuning.space import changed, current, space

START = {"als.rank": 64, "profiles.half_life_days": 180.0}
SEARCHED = [s for s in space(Settings()) if s.key in START]


def planted(values):
    """A shop that likes 128 factors and a half-life of 40 days; the second slice does not care."""
    away = abs(math.log(values["profiles.half_life_days"] / 40))
    return {"warm": 0.3 + 0.1 * (values["als.rank"] == 128) - 0.05 * away, "cold_user": 0.2}


def for_trials(n):
    left = iter(range(n - 1))
    return lambda: next(left, None) is not None


def test_a_planted_taste_is_found():
    trials = search(planted, START, SEARCHED, more=for_trials(25), seed=0)
    best = max(trials, key=lambda trial: trial.ratio)
    assert trials[0] == Trial(START, planted(START), 1.0)
    assert len(trials) == 26
    assert best.values["als.rank"] == 128
    assert 25 < best.values["profiles.half_life_days"] < 65
    assert best.ratio == (planted(best.values)["warm"] / planted(START)["warm"] + 1) / 2


def test_the_same_seed_gives_the_same_trials():
    first, again = (search(planted, START, SEARCHED, more=for_trials(6), seed=3) for _ in range(2))
    assert first == again
    assert first != search(planted, START, SEARCHED, more=for_trials(6), seed=4)


def test_one_trial_is_made_when_there_is_no_time():
    assert len(search(planted, START, SEARCHED, more=lambda: False, seed=0)) == 2


def test_a_better_trial_is_chosen_only_if_another_split_agrees():
    trials = [Trial(START, {"warm": 0.2}), Trial({**START, "als.rank": 128}, {"warm": 0.3}, ratio=1.5)]
    better = confirm(lambda values: {"warm": 0.4 if values["als.rank"] == 128 else 0.3}, trials)
    worse = confirm(lambda values: {"warm": 0.2 if values["als.rank"] == 128 else 0.3}, trials)
    assert chosen(better).values["als.rank"] == 128
    assert chosen(worse) is worse[0]
    assert [round(found[1].confirmed, 3) for found in (better, worse)] == [1.333, 0.667]


def test_without_a_better_trial_no_other_split_is_needed():
    trials = [Trial(START, {"warm": 0.2}), Trial(START, {"warm": 0.1}, ratio=0.5)]
    assert confirm(lambda values: 1 / 0, trials) == trials


def test_values_outside_the_ranges_can_be_started_from():
    outside = {"als.rank": 512, "profiles.half_life_days": 5_000.0}
    assert search(planted, outside, SEARCHED, more=lambda: False, seed=0)[0].values == outside


def test_only_what_enabled_scorers_use_is_searched_and_every_draw_is_allowed():
    everything, few = Settings(), changed(Settings(), {})
    few = few.model_copy(update={"blocks": few.blocks.model_copy(update={"enabled": ("popularity",)})})
    assert [s.key for s in space(few)] == ["profiles.half_life_days"]
    for place in ("low", "high"):
        ends = {s.key: s.choices[0] if s.choices else getattr(s, place) for s in space(everything)}
        assert current(changed(everything, ends), space(everything)) == ends
