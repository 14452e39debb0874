"""How long the matrix is: short by default, long by ``make faults LONG=1``."""

import os

LONG = bool(os.environ.get("AUTOGRAPH_FAULTS_LONG"))
KILLS = 500 if LONG else 5  # of workers, at each failpoint
CRASHES = 20 if LONG else 2  # of the broker and of Postgres
