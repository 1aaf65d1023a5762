"""Compares the code blocks that name a file, as in ```python file=tests/x.py, with these files: quotes.py PAGE… [--update]"""

import pathlib
import re
import sys

root = pathlib.Path(__file__).resolve().parents[2]
update = "--update" in sys.argv
wrong = []
for name in (word for word in sys.argv[1:] if word != "--update"):
    page = pathlib.Path(name)
    text = page.read_text()
    quoted = set()

    def block(found):
        file = root / found[2]
        quoted.add(file)
        if found[3] != file.read_text():
            wrong.append(f"{name}: {found[2]}")
        return f"```{found[1]} file={found[2]}\n{file.read_text()}```\n"

    new = re.sub(r"^```(\w+) file=(\S+)\n(.*?)^```\n", block, text, flags=re.M | re.S)
    # Every recipe of a folder that the page quotes from is on the page.
    for folder in {file.parent for file in quoted}:
        wrong += [f"{name}: lacks {file.relative_to(root)}" for file in sorted(folder.iterdir()) if file not in quoted]
    if not quoted:
        wrong.append(f"{name}: quotes nothing")
    if update:
        page.write_text(new)
if wrong and not update:
    sys.exit("Not as the file, or missing (python3 tests/interface/quotes.py PAGE --update):\n" + "\n".join(wrong))
