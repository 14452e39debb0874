"""How busy the machine is: whoever waits for something waits longer where less is done in a second."""

import os


def load() -> float:
    """How many processes want each processor, over the last minute; at least 1."""
    return max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
