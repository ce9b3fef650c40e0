"""Writes measured tables into BENCHMARKS.md, between the marks of each, with where and how they were taken."""
import platform
import re
import subprocess
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "BENCHMARKS.md"


def machine():
    """The processor, as far as it says what it is."""
    text = Path("/proc/cpuinfo").read_text(encoding="ascii")
    name = re.search(r"^model name\s*: (.*)$", text, re.M)
    family = re.search(r"^cpu family\s*: (.*)$", text, re.M)
    model = re.search(r"^model\s*: (.*)$", text, re.M)
    parts = [name.group(1) if name else platform.machine()]
    if family and model:
        parts.append(f"family {family.group(1)} model {model.group(1)}")
    return ", ".join(parts)


def versions(*packages):
    rustc = subprocess.run(["rustc", "--version"], capture_output=True, text=True, check=True).stdout.split()[1]
    return ", ".join([f"Rust {rustc} (release profile)", f"Python {platform.python_version()}",
                      *(f"{package} {version(package)}" for package in packages)])


def table(head, rows):
    """A Markdown table; the first column is text, the others are numbers."""
    lines = [head, ["---"] + ["--:"] * (len(head) - 1), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def write(name, text):
    """Replaces what is between the marks of table `name`, and prints it."""
    print(text)
    begin, end = f"<!-- {name}: written by docs/bench/run -->", f"<!-- end of {name} -->"
    page = PAGE.read_text(encoding="utf-8")
    before, rest = page.split(begin)
    _, after = rest.split(end)
    PAGE.write_text(f"{before}{begin}\n{text}\n{end}{after}", encoding="utf-8")
