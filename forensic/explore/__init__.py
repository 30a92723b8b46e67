"""For exploring an image: regions, maps, reverse maps, searches, and what a report says, piece by piece.

The names stand in the stub file beside this one, and are loaded when they are first used.
"""

from forensic.lazy_names import lazy_names

__getattr__, __dir__ = lazy_names(__name__, __file__)
