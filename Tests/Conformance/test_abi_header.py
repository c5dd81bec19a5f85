"""The C header for filters, Sources/CMartletABI/include/martlet.h, against its own rules.

Each function carries one line that says on which thread it is called, what it may do, how long its
pointers live and which results it has; each table begins with its size; each id names one table. The
grammar is written at the head of the header for people and here for the machine; `findings` is the
whole check, and the second half of this file shows that it sees a wrong header.
"""

import pathlib
import re
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
HEADER = ROOT / "Sources/CMartletABI/include/martlet.h"
REFERENCE = ROOT / "Docs/abi.md"

THREADS = {"control", "worker", "any"}
EFFECTS = {"terminal", "may-reenter", "no-alloc"}
LIFETIMES = {f"borrowed({scope})" for scope in ("call", "callback", "stream", "config", "process", "next")} | {"copied"}
OWNED = re.compile(r"owned->plugin, by (\w+)")
# Structs that are passed by value and in arrays: they have no size because they never change.
VALUES = {"martlet_bytes", "martlet_header", "martlet_descriptor_entry"}
INCLUDES = ["stdbool.h", "stddef.h", "stdint.h"]
# Results that are no numbers of the header, by the type that the function returns.
WORDS = {"void": {"nothing"}, "bool": {"true", "false"}, "uint64_t": {"nanoseconds", "bits"}}
STATUS = {"martlet_status", "martlet_filter_status"}

ID = re.compile(r"martlet\.(host|plugin)\.([a-z_]+)/([0-9]+)")
STRUCT = re.compile(r"(/\*(?:(?!\*/).)*\*/\s*)?typedef struct (\w+) \{(.*?)\n\} (\w+);", re.DOTALL)
MEMBER = re.compile(r"/\*(.*?)\*/|([^;/]+?);", re.DOTALL)
POINTER = re.compile(r"^(.*?)\(\*(\w+)\)\((.*)\)$", re.DOTALL)
EXPORTED = re.compile(r"/\*((?:(?!\*/).)*)\*/\s*MARTLET_EXPORT ([^;{]*?)(\w+)\(([^;]*)\);", re.DOTALL)
ANNOTATION = re.compile(r"^((?:\[[a-z-]+\] )+)(.*?)-> (.+)$")
WORD = re.compile(r"(\w+): (owned->plugin, by \w+|[a-z]+(?:\([a-z]+\))?)(?= |$)")


def flat(text):
    """A comment's or declaration's words, without line ends and the stars at their beginnings."""
    return " ".join(re.sub(r"\n\s*\*(?!/)", " ", text).split())


def without_comments(text):
    return re.sub(r"/\*.*?\*/", " ", text, flags=re.DOTALL)


class Function:
    def __init__(self, table, name, returns, parameters, annotation):
        self.table, self.name, self.returns, self.annotation = table, name, flat(returns), annotation
        self.parameters = []  # (type, name)
        for parameter in (flat(parameters) if flat(parameters) != "void" else "").split(","):
            found = re.match(r"^(.*?[ *])(\w+)$", parameter.strip())
            if found:
                self.parameters.append((found.group(1).strip().replace(" *", "*"), found.group(2)))

    def __str__(self):
        return f"{self.table}.{self.name}" if self.table else self.name


def functions(text):
    """Every function of the header: members of tables, and what a plugin exports."""
    result = []
    for _, table, body, _ in STRUCT.findall(text):
        before = None
        for comment, declaration in MEMBER.findall(body):
            if comment:
                before = flat(comment)
                continue
            found = POINTER.match(flat(declaration))
            if found:
                annotation = before if before and before.startswith("[") else None
                result.append(Function(table, found.group(2), found.group(1), found.group(3), annotation))
            before = None
    for comment, returns, name, parameters in EXPORTED.findall(text):
        comment = flat(comment)
        result.append(Function(None, name, returns, parameters, comment if comment.startswith("[") else None))
    return result


def needs(function):
    """The parameters whose lifetimes must be said, and whether what the function gives back has one."""
    named, gives = set(), "*" in function.returns
    for kind, name in function.parameters:
        if kind.endswith("**"):
            gives = True
        elif kind == "martlet_bytes" or (kind.startswith("const ") and kind.endswith("*") and kind != "const void*"):
            named.add(name)
        elif kind in ("martlet_bytes*", "martlet_header*"):
            gives = True
    return named, gives


def annotation_findings(function, numbers, siblings):
    """What is wrong with the line of one function."""
    if function.annotation is None:
        return ["has no annotation line"]
    found = ANNOTATION.match(function.annotation)
    if not found:
        return [f"`{function.annotation}` is not [thread] [effect] name: lifetime -> results"]
    findings = []
    words = re.findall(r"\[([a-z-]+)\]", found.group(1))
    threads = [word for word in words if word in THREADS]
    for word in words:
        if word not in THREADS | EFFECTS:
            findings.append(f"[{word}] is neither a thread nor an effect")
    if not threads or ("any" in threads and len(threads) > 1) or len(set(words)) != len(words):
        findings.append("says no thread, or one twice")
    elif words[: len(threads)] != threads:
        findings.append("says an effect before the thread")

    middle, lifetimes = found.group(2).strip(), {}
    for name, lifetime in WORD.findall(middle):
        if name in lifetimes:
            findings.append(f"says the lifetime of `{name}` twice")
        lifetimes[name] = lifetime
    rest = WORD.sub("", middle).strip()
    if rest:
        findings.append(f"`{rest}` is not a lifetime")
    named, gives = needs(function)
    results = [result.strip() for result in found.group(3).split(" | ")]
    in_results = [result for result in results if result in LIFETIMES or OWNED.fullmatch(result)]
    for name, lifetime in lifetimes.items():
        owner = OWNED.fullmatch(lifetime)
        if owner and owner.group(1) not in siblings:
            findings.append(f"`{name}` is freed by `{owner.group(1)}`, which its table does not have")
        elif not owner and lifetime not in LIFETIMES:
            findings.append(f"`{lifetime}` is not a lifetime")
        if lifetime == "copied" and name == "out":
            findings.append("gives back something copied")
    for name in sorted(named - lifetimes.keys()):
        findings.append(f"does not say how long `{name}` lives")
    for name in sorted(lifetimes.keys() - named - {"out"}):
        findings.append(f"says the lifetime of `{name}`, which it has not or which needs none")
    if gives and "out" not in lifetimes and not in_results:
        findings.append("does not say how long what it gives back lives")
    if not gives and ("out" in lifetimes or in_results):
        findings.append("gives nothing back whose lifetime could be said")
    if len(set(results)) != len(results):
        findings.append("has a result twice")
    findings += result_findings(function, results, numbers, siblings)
    return findings


def result_findings(function, results, numbers, siblings):
    findings = []
    for result in results:
        owner = OWNED.fullmatch(result)
        if function.returns in STATUS:
            error = function.returns == "martlet_status"
            right = result in numbers and result.startswith("MARTLET_E_" if error else "MARTLET_")
            good = right or (error and result in ("MARTLET_OK", "any error"))
        elif "*" in function.returns:
            good = result == "NULL" or result in LIFETIMES or result in ("worker", "filter")
            good = good or bool(owner and owner.group(1) in siblings)
        else:
            good = result in WORDS.get(function.returns, set())
        if not good:
            findings.append(f"`{result}` is not a result of a function that returns {function.returns}")
    first = {"martlet_status": "MARTLET_OK", "martlet_filter_status": "MARTLET_CONTINUE"}.get(function.returns)
    if first and results[0] != first:
        findings.append(f"the first result is {first}")
    return findings


def table_findings(text):
    """Tables that do not begin with their size, and ids that do not name one table each."""
    findings, ids = [], {}
    head = text.split("#ifndef", 1)[0]
    for before, name, body, end in STRUCT.findall(text):
        if name != end:
            findings.append(f"{name}: its typedef says {end}")
        members = [flat(declaration) for comment, declaration in MEMBER.findall(body) if not comment]
        if name not in VALUES and members[0] != "uint32_t size":
            findings.append(f"{name}: does not begin with `uint32_t size`")
        if name in VALUES and any("(*" in member for member in members):
            findings.append(f"{name}: a table of functions without a size")
        given = ID.match(flat(before or "").removeprefix("/* "))
        if given:
            if given.group(0) in ids:
                findings.append(f"{name}: {given.group(0)} is the id of {ids[given.group(0)]}")
            ids[given.group(0)] = name
            expected = {"host": f"martlet_host_{given.group(2)}", "plugin": f"martlet_{given.group(2)}_list"}
            if name != expected[given.group(1)]:
                findings.append(f"{name}: {given.group(0)} is the id of {expected[given.group(1)]}")
        elif re.fullmatch(r"martlet_host_\w+|martlet_\w+_list", name):
            findings.append(f"{name}: its comment does not begin with its id")
    reserved = re.search(r"Reserved ids(.*?)\.\s*\n", head, re.DOTALL)
    reserved = [found.group(0) for found in ID.finditer(reserved.group(1))] if reserved else []
    for id in reserved:
        if id in ids or reserved.count(id) > 1:
            findings.append(f"{id}: reserved twice, or in use")
    for found in ID.finditer(text):
        if found.group(0) not in ids and found.group(0) not in reserved:
            findings.append(f"{found.group(0)}: no table has this id, and it is not reserved")
    return findings


def findings(text):
    """Everything that is wrong with a header."""
    numbers = set(re.findall(r"^#define (MARTLET_\w+) \(?-?\d", text, re.MULTILINE))
    result = table_findings(text)
    all = functions(text)
    for function in all:
        siblings = {other.name for other in all if other.table == function.table}
        result += [f"{function}: {why}" for why in annotation_findings(function, numbers, siblings)]
    seen = len(re.findall(r"\(\*", without_comments(text))) + text.count("\nMARTLET_EXPORT ")
    if seen != len(all):
        result.append(f"{seen} functions, of which this test reads {len(all)}")
    included = re.findall(r"^#include <(.*)>$", text, re.MULTILINE)
    if included != INCLUDES or '#include "' in text:
        result.append(f"includes {included}; allowed is {INCLUDES}")
    values = re.findall(r"^#define (MARTLET_E_\w+) \((-\d+)\)", text, re.MULTILINE)
    if len({value for _, value in values}) != len(values):
        result.append("two errors have one number")
    return result


@pytest.fixture(scope="module")
def header():
    return HEADER.read_text(encoding="utf-8")


def test_the_header_keeps_its_rules(header):
    wrong = findings(header)
    if wrong:
        pytest.fail("\n".join(["", *wrong, f"{len(wrong)} finding(s)"]), pytrace=False)


def test_the_grammar_stands_in_the_header(header):
    head = header.split("#ifndef", 1)[0]
    for word in [f"[{word}]" for word in THREADS | EFFECTS] + sorted(LIFETIMES) + ["owned->plugin"]:
        assert f"\n *   {word} " in head, f"{word} is not explained at the head of the header"


def test_each_function_and_table_and_number_stands_in_the_reference(header):
    reference = REFERENCE.read_text(encoding="utf-8")
    missing = [str(function) for function in functions(header)
               if not re.search(rf"`{function.name}[`(]", section(reference, function.table))]
    missing += [name for _, name, _, _ in STRUCT.findall(header) if f"`{name}`" not in reference]
    missing += [name for name in re.findall(r"^#define (MARTLET_\w+)[ (]", header, re.MULTILINE)
                if f"`{name}`" not in reference]
    missing += sorted({found.group(0) for found in ID.finditer(header)} - {id for id in
                      (found.group(0) for found in ID.finditer(reference))})
    assert missing == []


def test_the_reference_names_nothing_else(header):
    reference = REFERENCE.read_text(encoding="utf-8")
    known = set(re.findall(r"\b(?:martlet|MARTLET)_\w+", header))
    named = set(re.findall(r"`((?:martlet|MARTLET)_\w+)`", reference))
    assert sorted(named - known - {"MARTLET_PLUGIN_PATH", "martlet_plugin_v2"}) == []
    ids = {found.group(0) for found in ID.finditer(header)}
    assert sorted({found.group(0) for found in ID.finditer(reference)} - ids) == []


def section(reference, table):
    """The part of the reference between the heading that names a table and the next heading."""
    if table is None:
        return reference
    found = re.search(rf"^#+ [^\n]*`{table}`[^\n]*\n(.*?)(?=^#|\Z)", reference, re.MULTILINE | re.DOTALL)
    return found.group(1) if found else ""


USES = """#include "martlet.h"
int uses(const martlet_host_core *core);
int uses(const martlet_host_core *core) { return MARTLET_HAS(core, release) ? MARTLET_OK : MARTLET_E_GONE; }
"""
STRICT = ["-pedantic", "-Wall", "-Wextra", "-Werror", "-Wconversion", "-fsyntax-only"]


@pytest.mark.parametrize("compiler, language, standard", [
    ("gcc", "c", "c11"), ("gcc", "c", "c17"), ("clang", "c", "c11"), ("clang", "c", "c17"),
    ("g++", "c++", "c++17"), ("g++", "c++", "c++20"), ("clang++", "c++", "c++17"), ("clang++", "c++", "c++20")])
def test_the_header_compiles_without_a_warning(tmp_path, compiler, language, standard):
    if not shutil.which(compiler):
        pytest.skip(f"{compiler} is not there")
    source = tmp_path / ("uses.c" if language == "c" else "uses.cpp")
    source.write_text(USES)
    command = [compiler, "-x", language, f"-std={standard}", *STRICT, f"-I{HEADER.parent}", str(source)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""


# Name, what is replaced (once, and it must be there), by what, and a finding that must come of it.
MUTATIONS = [
    ("no line", r"  /\* \[worker\] \[no-alloc\] -> [^/]*\*/\n(  martlet_status \(\*body_size\))", r"\1",
     "martlet_host_http.body_size: has no annotation line"),
    ("no line on the export", r"/\* \[control\] -> borrowed\(process\) \| NULL \*/\n(MARTLET_EXPORT)", r"\1",
     "martlet_plugin_v1: has no annotation line"),
    ("a function more", r"(  bool \(\*log_enabled\))", r"  void (*extra)(void);\n\1", "log_enabled: has no|extra: has no"),
    ("unknown thread", r"\[control\] (-> nothing \*/\n  void \(\*close\))", r"[main] \1", r"\[main\] is neither"),
    ("unknown effect", r"\[any\] \[no-alloc\] (-> bits)", r"[any] [cheap] \1", r"\[cheap\] is neither"),
    ("any and another", r"\[any\] (-> nothing)", r"[any] [worker] \1", "no thread, or one twice"),
    ("effect first", r"\[any\] \[no-alloc\] (-> bits)", r"[no-alloc] [any] \1", "effect before the thread"),
    ("no thread", r"\[any\] \[no-alloc\] (-> bits)", r"[no-alloc] \1", "no thread, or one twice"),
    ("unknown lifetime", r"path: copied (message: copied)", r"path: kept \1", "`kept` is not a lifetime"),
    ("unknown scope", r"borrowed\(call\) (-> borrowed\(process\))", r"borrowed(night) \1", "is not a lifetime"),
    ("a lifetime forgotten", r"path: copied (message: copied)", r"\1", "how long `path` lives"),
    ("a lifetime twice", r"path: copied (message: copied)", r"path: copied path: copied \1", "of `path` twice"),
    ("a lifetime of nothing", r"path: copied (message: copied)", r"route: copied path: copied \1", "`route`, which it has not"),
    ("a result's lifetime forgotten", r"out: borrowed\(callback\) (-> MARTLET_OK)", r"\1", "what it gives back lives"),
    ("a result copied", r"out: borrowed\(config\)", "out: copied", "gives back something copied"),
    ("no such destructor", r"by config_destroy", "by config_free", "`config_free`, which its table does not have"),
    ("no such destructor in the results", r"(owned->plugin), by release", r"\1, by free", "owned->plugin, by free` is not a result"),
    ("unknown result", r"MARTLET_E_GONE(?= \| MARTLET_E_LIMIT \*/\n  martlet_status \(\*runtime\))", "MARTLET_E_LOST",
     "`MARTLET_E_LOST` is not a result"),
    ("an error of a hook", r"-> MARTLET_CONTINUE \| MARTLET_STOP \*/", "-> MARTLET_CONTINUE | stopped */",
     "`stopped` is not a result"),
    ("a result of void", r"-> nothing", "-> MARTLET_OK", "`MARTLET_OK` is not a result of a function that returns void"),
    ("no results", r"(\[any\] \[no-alloc\]) -> bits", r"\1", "has no annotation line|is not \\[thread\\]"),
    ("no success", r"-> MARTLET_OK \| (MARTLET_E_GONE)", r"-> \1", "the first result is MARTLET_OK"),
    ("a table without its size", r"(typedef struct martlet_host_text \{\n)  uint32_t size;\n", r"\1",
     "martlet_host_text: does not begin"),
    ("size not first", r"(typedef struct martlet_reply \{\n)  uint32_t size;\n", r"\1  int32_t first;\n  uint32_t size;\n",
     "martlet_reply: does not begin"),
    ("an id twice", r"martlet\.host\.text/1: formats", "martlet.host.metrics/1: formats", "is the id of martlet_host_metrics"),
    ("an id of another", r"martlet\.host\.text/1: formats", "martlet.host.words/1: formats", "is the id of martlet_host_words"),
    ("no id", r"martlet\.host\.text/1: formats", "Formats", "its comment does not begin with its id"),
    ("an unknown id", r'"martlet\.plugin\.http_filter/1" gives', '"martlet.plugin.http_filters/1" gives',
     "no table has this id"),
    ("another revision", r'"martlet\.plugin\.http_filter/1" gives', '"martlet.plugin.http_filter/2" gives',
     "no table has this id"),
    ("a reserved id in use", r"martlet\.host\.secrets/1", "martlet.host.core/1", "reserved twice, or in use"),
    ("an include more", r"#include <stdint\.h>\n", "#include <stdint.h>\n#include <stdio.h>\n", "includes"),
    ("two errors of one number", r"MARTLET_E_LIMIT \(-5\)", "MARTLET_E_LIMIT (-4)", "two errors have one number"),
    ("a function this test cannot read", r"(  bool \(\*log_enabled\)\()", r"  bool (*a)(int), (*b)(int);\n\1", "functions, of which"),
]


@pytest.mark.parametrize("pattern, replacement, expected", [m[1:] for m in MUTATIONS], ids=[m[0] for m in MUTATIONS])
def test_a_wrong_header_is_seen(header, pattern, replacement, expected):
    wrong, count = re.subn(pattern, replacement, header, count=1)
    assert count == 1, "the mutation does not fit the header any more"
    new = set(findings(wrong)) - set(findings(header))
    assert any(re.search(expected, finding) for finding in new), new


@pytest.mark.parametrize("wrong", ["int unused(void) { return 1 }", "typedef struct martlet_bytes martlet_handle;"])
def test_a_header_that_does_not_compile_is_seen(tmp_path, header, wrong):
    (tmp_path / "martlet.h").write_text(header.replace("\n#ifdef __cplusplus\n}", f"\n{wrong}\n#ifdef __cplusplus\n}}", 1))
    (tmp_path / "uses.c").write_text(USES)
    done = subprocess.run(["gcc", "-std=c11", *STRICT, f"-I{tmp_path}", str(tmp_path / "uses.c")], capture_output=True, timeout=60)
    assert done.returncode != 0
