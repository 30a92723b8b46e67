"""Properties are checked on the same examples in every run, so that a red run can be repeated."""

from hypothesis import Phase, settings

settings.register_profile("repeatable", derandomize=True, deadline=None, database=None)
settings.register_profile("mutants", settings.get_profile("repeatable"), phases=[Phase.explicit, Phase.generate])
settings.load_profile("repeatable")
