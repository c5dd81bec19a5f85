"""Style kept by a test, not by reviewers.

What is checked: line length, a comment at the head of every file that says what it is for, calls
that the data plane must not make, what each target may import, the order of the data plane's
rooms (as declared at the head of Sources/DataPlane/DataPlane.swift), notes to self, dead files.
Generated code is left alone. Every rule reports all its findings at once, as FILE:LINE: WHY.
"""

import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SKIPPED = {".build", ".git", ".venv", "Generated", "__pycache__", ".pytest_cache", "node_modules"}
LONGEST_LINE = 110
# Tables of tests hold raw messages, which are easier to read whole than broken.
LONGEST_TEST_LINE = 160
SOURCE = {".swift", ".c", ".h", ".cpp", ".py", ".sh", ".proto"}

# Calls that have no place on a worker thread, and why.
BANNED_IN_DATA_PLANE = {
    r"\bimport\s+Foundation\b": "Foundation is large, and its types allocate",
    r"\bimport\s+Dispatch\b": "workers have their own threads and timers",
    r"\btry!": "an error of a peer or of the system must not end the process",
    r"\bas!": "state the type, or handle the other case",
    r"(?<![.\w])print\(": "use the log",
    r"\bfatalError\(\s*\)": "say why",
}

# What a target may import of ours; None for `else` leaves other modules to the package manifest.
CORE = {"Model", "DataPlane", "PluginHost", "EnvoyConfiguration", "Discovery", "Admin", "Server", "martlet",
        "CMartletABI", "CMartletSystem", "CMartletRegex", "CMartletHash", "CMartletScan"}
IMPORTS = {
    "Model": {"ours": set(), "else": {"Glibc", "Synchronization"}},  # Glibc: the lock alone
    "DataPlane": {"ours": {"Model", "CMartletABI", "CMartletSystem", "CMartletRegex", "CMartletHash", "CMartletScan"},
                  "else": {"Glibc", "Synchronization", "CAres"}},
    "PluginHost": {"ours": {"Model", "CMartletABI", "CMartletSystem", "CMartletRegex"}, "else": None},
    "EnvoyConfiguration": {"ours": {"Model", "CMartletRegex"}, "else": None},
    "Discovery": {"ours": {"Model", "EnvoyConfiguration"}, "else": None},
    "Admin": {"ours": {"Model", "CMartletRegex"}, "else": None},
    "MartletSDK": {"ours": {"CMartletABI"}, "else": None},
}
PLUGINS_MAY = {"CMartletABI"}  # and MartletSDK, which is no part of the core

IMPORT = re.compile(
    r"^\s*(?:@\w+(?:\([^)]*\))?\s+)*(?:(?:public|package|internal|fileprivate|private)\s+)?import\s+"
    r"(?:(?:struct|class|enum|protocol|func|var|let|typealias)\s+)?(\w+)", re.MULTILINE)
SWIFT_NOISE = re.compile(
    r'//[^\n]*|/\*.*?\*/|"""(?:\\.|.)*?"""|#"[^\n]*?"#|"(?:\\.|[^"\\\n])*"', re.DOTALL)
TYPE = re.compile(
    r"^(?:@\w+(?:\([^)]*\))?\s+)*(?:(?:public|package|internal|final|indirect)\s+)*"
    r"(?:class|struct|enum|protocol|actor|typealias)\s+(\w+)", re.MULTILINE)
ROOM = re.compile(r"^//\s+(\d+)\.\s+(\w+)", re.MULTILINE)


def files(*folders, suffixes=SOURCE):
    """Source files below the folders (of the whole repository when none is named)."""
    found = []
    for folder in folders or [""]:
        for path in sorted((ROOT / folder).rglob("*")):
            relative = path.relative_to(ROOT)
            if SKIPPED.isdisjoint(relative.parts) and path.is_file() and path.suffix in suffixes:
                if not path.name.endswith((".pb.swift", ".grpc.swift")):
                    found.append(path)
    return found


def text(path):
    return path.read_text(encoding="utf-8")


def code(source):
    """Swift or C without comments and without what stands in strings; lines stay where they were."""
    return SWIFT_NOISE.sub(lambda m: "\n" * m.group(0).count("\n") or '""', source)


def at(path, source, offset, why):
    return f"{path.relative_to(ROOT)}:{source.count(chr(10), 0, offset) + 1}: {why}"


def report(findings):
    if findings:
        pytest.fail("\n".join(["", *findings, f"{len(findings)} finding(s)"]), pytrace=False)


def test_lines_are_short_enough_to_read_side_by_side():
    findings = []
    for path in files():
        for number, line in enumerate(text(path).splitlines(), 1):
            place = path.relative_to(ROOT)
            longest = LONGEST_TEST_LINE if place.parts[0] == "Tests" else LONGEST_LINE
            if len(line) > longest:
                findings.append(f"{place}:{number}: {len(line)} characters of {longest}")
    report(findings)


def first_comment(path, source):
    """The comment at the head of a file, without its marks; empty where there is none."""
    lines = source.splitlines()
    while lines and (lines[0].startswith(("#!", "// swift-tools-version")) or not lines[0].strip()):
        lines.pop(0)
    head = "\n".join(lines)
    if path.suffix == ".py":
        found = re.match(r'[rR]?"""(.*?)"""', head, re.DOTALL) or re.match(r"((?:#[^\n]*\n?)+)", head)
    elif path.suffix == ".sh":
        found = re.match(r"((?:#[^\n]*\n?)+)", head)
    else:
        found = re.match(r"/\*(.*?)\*/", head, re.DOTALL) or re.match(r"((?://[^\n]*\n?)+)", head)
    return re.sub(r"^[\s/#*!]+", "", found.group(1), flags=re.MULTILINE).strip() if found else ""


def test_every_file_begins_by_saying_what_it_is_for():
    findings = []
    for path in files():
        if len(first_comment(path, text(path)).split()) < 3:
            where = path.relative_to(ROOT)
            findings.append(f"{where}:1: begins without a comment that says what it is for")
    report(findings)


def test_no_banned_call_in_the_data_plane():
    findings = []
    for path in files("Sources/DataPlane"):
        source = code(text(path))
        for pattern, why in BANNED_IN_DATA_PLANE.items():
            for found in re.finditer(pattern, source):
                findings.append(at(path, source, found.start(), f"{found.group(0)} is banned: {why}"))
    report(findings)


def test_targets_import_only_what_is_below_them():
    findings = []
    for target, rule in IMPORTS.items():
        for path in files(f"Sources/{target}", suffixes={".swift"}):
            source = code(text(path))
            for found in IMPORT.finditer(source):
                module = found.group(1)
                allowed = rule["ours"] if module in CORE or rule["else"] is None else rule["else"]
                if module not in allowed and (module in CORE or rule["else"] is not None):
                    findings.append(at(path, source, found.start(1), f"{target} must not import {module}"))
    report(findings)


def test_plugins_import_no_core_target():
    findings = []
    for path in files("Plugins", "Samples", suffixes={".swift"}):
        source = code(text(path))
        for found in IMPORT.finditer(source):
            if found.group(1) in CORE - PLUGINS_MAY:
                why = f"a plugin must not import {found.group(1)}"
                findings.append(at(path, source, found.start(1), why))
    report(findings)


def rooms():
    """The data plane's rooms from the ground up, as its head declares them."""
    path = ROOT / "Sources/DataPlane/DataPlane.swift"
    if not path.exists():
        pytest.skip("Sources/DataPlane/DataPlane.swift is not there")
    head = text(path).split("import ")[0]
    declared = ROOM.findall(head)
    assert [int(number) for number, _ in declared] == list(range(1, len(declared) + 1)) and declared
    return [name for _, name in declared]


def test_every_room_of_the_data_plane_is_declared():
    folder = ROOT / "Sources/DataPlane"
    found = {path.relative_to(folder).parts[0] for path in files("Sources/DataPlane")
             if len(path.relative_to(folder).parts) > 1}
    report([f"Sources/DataPlane/{name}: not in the list of rooms" for name in sorted(found - set(rooms()))])


def test_a_room_uses_only_rooms_below_it():
    """One module has no import lines inside, so names stand for them: a type that is declared at the
    top level of one room, and nowhere else, must not be named in a room further down."""
    order = rooms()
    sources = {room: {path: code(text(path)) for path in files(f"Sources/DataPlane/{room}")}
               for room in order}
    elsewhere = {name for path in files("Sources/Model") for name in TYPE.findall(code(text(path)))}
    home = {}
    for room, contents in sources.items():
        for source in contents.values():
            for name in TYPE.findall(source):
                home[name] = room if home.get(name, room) == room else None
    findings = []
    for level, room in enumerate(order):
        above = {name for name, where in home.items()
                 if where and order.index(where) > level and name not in elsewhere}
        if not above:
            continue
        pattern = re.compile(r"(?<![.\w])(" + "|".join(sorted(above)) + r")\b")
        for path, source in sources[room].items():
            for found in pattern.finditer(source):
                name = found.group(1)
                findings.append(at(path, source, found.start(), f"{room} uses {name} of {home[name]}"))
    report(findings)


def test_no_notes_to_self():
    words = re.compile(r"\b(" + "|".join(["TO" + "DO", "FIX" + "ME", "X" * 3]) + r")\b")
    findings = []
    for path in files(suffixes=SOURCE | {".yaml", ".md"}):
        source = text(path)
        for found in words.finditer(source):
            findings.append(at(path, source, found.start(), "finish it, or open an issue"))
    report(findings)


def test_no_dead_files():
    """Empty files, and Swift files with nothing but comments and imports."""
    findings = []
    for path in files():
        source = text(path)
        rest = IMPORT.sub("", code(source)) if path.suffix == ".swift" else source
        if not rest.strip():
            findings.append(f"{path.relative_to(ROOT)}:1: there is nothing in it")
    report(findings)


def test_the_tools_above_see_what_they_should():
    assert IMPORT.findall("public import Model\n@testable import A\nimport struct B.C\n") == [
        "Model", "A", "B"]
    assert code('a("try!") // try!\n/* print( */ b') == 'a("") ""\n"" b'
    assert TYPE.findall("public final class A {\n  struct B {}\n}\nenum C: Int {}\n") == ["A", "C"]
    assert ROOM.findall("//   1. Buffers   chunks\n//  10. Worker\n") == [("1", "Buffers"), ("10", "Worker")]
    assert first_comment(pathlib.Path("a.swift"), "import X\n") == ""
    assert first_comment(pathlib.Path("a.py"), '#!/x\n"""What it is."""\n') == "What it is."
