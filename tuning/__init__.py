"""Searches and one-factor studies over the rest of the house, which imports nothing from here."""
