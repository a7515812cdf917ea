"""`python -m taskdeck_tui` is `taskdeck`."""

import sys

from taskdeck_tui.cli.main import main

sys.exit(main())
