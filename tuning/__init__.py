"""Searches and one-factor studies over the rest of the house, which imports nothing from here."""

import base_models  # noqa: F401 it says how a backend shall be imported
