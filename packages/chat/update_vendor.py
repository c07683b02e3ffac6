"""Take the page's libraries from npm: `python packages/chat/update_vendor.py [marked=18.3.0 ...]`.

What is taken, in which version and with which digest is in `page/vendor/versions.json`. Without arguments it takes the
same versions again, which must give the same bytes; with some it writes the new digests, for a person to look at.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

VENDOR = Path(__file__).parent / "src/raptscallions_chat/page/vendor"


def main(wanted: dict[str, str]) -> int:
    """Copy the files of each package, and write what they are into the table."""
    table = json.loads((VENDOR / "versions.json").read_text("utf-8"))
    if unknown := set(wanted) - set(table):
        print("not vendored:", *sorted(unknown), file=sys.stderr)
        return 2
    changed: list[str] = []
    for name, entry in table.items():
        known = entry["sha256"]
        entry["version"] = wanted.get(name, entry["version"])
        entry["sha256"] = {}
        with tempfile.TemporaryDirectory() as folder:
            pack = ["npm", "pack", "--silent", "--pack-destination", folder, f"{name}@{entry['version']}"]
            subprocess.run(pack, check=True, stdout=subprocess.DEVNULL)
            (archive,) = Path(folder).glob("*.tgz")
            with tarfile.open(archive) as opened:
                opened.extractall(folder, filter="data")
            for source, target in entry["files"].items():
                place = VENDOR / target
                place.parent.mkdir(exist_ok=True)
                shutil.copyfile(Path(folder) / "package" / source, place)
                entry["sha256"][target] = hashlib.sha256(place.read_bytes()).hexdigest()
        changed += [target for target in entry["sha256"] if known.get(target) != entry["sha256"][target]]
    (VENDOR / "versions.json").write_text(json.dumps(table, indent=2) + "\n", "utf-8")
    print("changed:", *changed or ["nothing"])
    return 1 if changed and not wanted else 0


if __name__ == "__main__":
    sys.exit(main(dict(argument.split("=", 1) for argument in sys.argv[1:])))
