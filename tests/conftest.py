"""What all tests share."""

from hypothesis import HealthCheck, settings

# How long an example takes says nothing on a machine that does something else as well.
settings.register_profile("facewire", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("facewire")
