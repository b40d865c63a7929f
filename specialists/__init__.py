"""Transfer, specialists, ensemble, submission."""
