"""`python -m forensic.cli`."""

import sys

from forensic.cli import main

sys.exit(main())
