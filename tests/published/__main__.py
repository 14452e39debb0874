"""``python -m tests.published [FOLDER]``: writes the published names of a checkout (of this one) as JSON."""

import json
import re
import sys
from pathlib import Path

from tests.published.collect import published_names
from tests.servers import REPOSITORY

folder = Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else REPOSITORY
text = json.dumps(published_names(folder), indent=1, sort_keys=True, ensure_ascii=False)
in_one_line = re.sub(r"\[[^\[\]{}]*\]", lambda found: re.sub(r"\s*\n\s*", " ", found[0]), text)  # lists
sys.stdout.write(in_one_line + "\n")
