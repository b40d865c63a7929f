"""Transfer, specialists, ensemble, submission."""

import base_models  # noqa: F401 it says how a backend shall be imported
