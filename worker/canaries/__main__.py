"""``python -m worker.canaries plant …`` and ``… audit …``: see docs/canaries.md.

Exit codes are those of ``palimpsest``: 0 done, 2 failed, 4 asked wrongly, 5 nobody answered.
"""

import sys

from worker.canaries.commands import main

if __name__ == "__main__":
    sys.exit(main())
