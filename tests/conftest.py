"""What all tests share."""

from hypothesis import settings

# A machine that is busy is no failure: speed is judged in benchmarks.
settings.register_profile("facewire", deadline=None)
settings.load_profile("facewire")
