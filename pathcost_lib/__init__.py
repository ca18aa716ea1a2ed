"""Cost a patient's whole NHS pathway, compare it fairly, and see who saves and who bears."""

__version__ = "0.1.0"
