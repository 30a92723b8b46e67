"""The public API: open an image, look at it, judge it, extract it, verify what was extracted.

The names stand in the stub file beside this one, and are loaded when they are first used, since numpy alone takes
longer to load than most headers to read. What the terminal interface looks around with is in `forensic.explore`.
"""

from forensic.lazy_names import lazy_names
from forensic.version import __version__  # noqa: F401 - costs nothing, and is no module to be loaded

__getattr__, __dir__ = lazy_names(__name__, __file__)
