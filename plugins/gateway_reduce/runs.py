"""Runs of lines that only say that things go well give way to their count: passing tests, packages, compiler calls.

The first and the last line of a run stay, and so does every line that is of no such kind: failures, warnings,
skipped tests, summaries.
"""

from __future__ import annotations

import re

from gateway_reduce.marks import LEFT_OUT

LEAST_GONE = 4  # lines; a run with the two that stay is two longer
SHORTEST_GONE = 80  # characters
STRIDE = LEAST_GONE + 2  # every run worth a mark holds a line whose number is a multiple of this
SEEN = 400  # characters of a line by which it is judged

NOUNS = {
    "test": "lines of passing tests",
    "package": "lines of packages that came or were there",
    "compile": "lines of build steps",
    "progress": "lines of progress",
    "check": "lines of checks that said yes",
}

# Each alternative starts with what its tool writes, so that a line of another kind is turned away at once.
_TEST = (
    r"=== (?:RUN|PAUSE|CONT|NAME) |--- PASS: |ok  \t\S|\?   \t\S+\t\[no test files\]"  # go
    r"|test .* \.\.\. ok$|test\w* \([\w.]+\)(?: \.\.\.|.*\.\.\.) ok$"  # cargo, unittest
    r"|(?:✓|✔|√) |PASS\s+\S+\.[cm]?[jt]sx?\b|ok \d+ (?!.*# (?:SKIP|TODO))"  # jest, vitest, mocha, TAP
    r"|\[INFO\] Running [\w.$]+$|\[INFO\] Tests run: \d+, Failures: 0, Errors: 0, Skipped: 0, Time"  # surefire
    r"|Start\s+\d+: |\d+/\d+ Test\s+#\d+: .* Passed |Passed \S+.* \[[\d.<]+ m?s\]$"  # ctest, dotnet
    r"|\[gw\d+\] \[ *\d+%\] PASSED |\.+ +\[ *\d+%\]$"  # pytest
)
_PACKAGE = (
    r"(?:Collecting|Obtaining|Using cached|Requirement already satisfied:|Preparing metadata|Installing build dep"
    r"|Getting requirements to|Building wheels? for|Created wheel for|Stored in directory:|Attempting uninstall:"
    r"|Found existing installation:|Uninstalling|Successfully uninstalled) "  # pip
    r"|(?:━|╸|╺)+ |Downloading (?:https?:|\S+-[\d.]+\S*\.(?:whl|tar|zip))"
    r"|npm (?:http fetch|verb|sill|timing|silly|verbose) |➤ YN00(?:13|19|00): │ \S+@|Progress: resolved \d+, "
    r"|(?:Get|Hit|Ign):\d+ |Selecting previously |Preparing to unpack |Unpacking |Setting up |Processing triggers for "
    r"|\(Reading database |(?:Inst|Conf) \S+ \(|update-alternatives: using "  # apt
    r"|#\d+ (?:[\d.]+ )?(?:sha256:|extracting )|=> (?:=> )?(?:extracting|sha256:|resolve) "
    r"|(?:Compiling|Downloaded|Downloading|Checking|Fresh|Adding|Locking|Unpacking|Installing) [\w-]+ v\d"  # cargo
    r"|go: (?:downloading|extracting|finding) |(?:Fetching|Installing|Using) [\w-]+ \d[\w.]*$"
    r"|- (?:Installing|Downloading|Locking|Upgrading) [\w./-]+ \("  # composer
    r"|(?:\[INFO\] )?(?:Downloading|Downloaded) from |Progress \(\d+\): |Download https?://"  # maven, gradle
    r"|\(\d+/\d+\):? (?:Installing|Upgrading|Downloading|[\w.+-]+\.rpm) "
    r"|(?:Installing|Upgrading|Verifying|Preparing|Cleanup|Running scriptlet) *: .* \d+/\d+$"  # apk, dnf
)
_COMPILE = (
    r"\[ *\d+%\] (?:Building|Linking|Generating|Built|Performing|Automatic) |\[\d+/\d+\] (?:[A-Z]\w+ing|CC|CXX|LD|AR) "
    r"|(?:CC|CXX|LD|AR|AS|HOSTCC|HOSTLD|GEN|CCLD|CXXLD|LINK|OBJCOPY|INSTALL|DTC)(?: \[M\])? {2,}\S+$"
    r"|libtool: (?:compile|link|install):|/bin/(?:ba)?sh \S*libtool "
    r"|make(?:\[\d+\])?: (?:Entering|Leaving) directory |> Task :\S+(?: [A-Z-]+)?$"
)
_PROGRESS = (
    r"\d+[KM] [. ,]+ +\d+% |(?:remote: )?(?:Counting|Compressing|Receiving|Resolving|Unpacking|Updating|Writing|"
    r"Checking out) (?:objects|deltas|files)[: ]"
    r"|(?:(?:Down|Up)?[Ll]oading|Extracting|Installing|Fetching|Pulling|Pushing|Building|Copying|Verifying|Progress)\b"
    r"[^%]{0,80}[\d.]+ ?%"
)
_CHECK = r"checking .*\.\.\. (?:\(cached\) )?(?:yes|done|ok)$"
_KIND = re.compile(
    f"(?P<test>{_TEST})|(?P<package>{_PACKAGE})|(?P<compile>{_COMPILE})|(?P<progress>{_PROGRESS})|(?P<check>{_CHECK})"
)
# What is known by its end only is looked at where a sign of it stands in the line.
_LATE = (
    (" -c ", "compile", re.compile(r"(?:/\S+/)?(?:[\w.]+-)*(?:gcc|g\+\+|cc|c\+\+|clang|clang\+\+)(?:-\d+)? ")),
    (
        ": ",
        "package",
        re.compile(r"[0-9a-f]{12}: (?:Pull|Wait|Verif|Download|Already|Extract|Push|Layer|Prepar|Mount)"),
    ),
    ("--:--", "progress", re.compile(r"\d+ +[\d.]+[kMG]? +\d+ ")),  # curl
    (" PASSED", "test", re.compile(r"\S+::.* PASSED(?: +\[ *\d+%\])?\s*$|.+ > .+ PASSED$")),  # pytest -v, gradle
    (".py .", "test", re.compile(r"\S+\.py \.+ *(?:\[ *\d+%\])?$")),
    ("%|", "progress", re.compile(r"[^|]{0,80}\d%\|[^|]*\| \d+/\d+ \[")),  # tqdm
)
_FIRST = frozenset("=-?✓✔√[.(#➤>/━╸╺0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZcglmnortu")  # what _KIND can begin with
_TROUBLE = re.compile(
    r"error|warn|fail|denied|refused|timed? ?out|retry|conflict|deprecat|unable|cannot", re.IGNORECASE
)
_NAMED = frozenset({"test", "compile"})  # what stands in these lines are names, which may be of errors


def fold(text: str) -> str:
    """Test, build and installation output without the middle of such runs; any other text as it is."""
    if text.count("\n") < STRIDE:
        return text
    lines = text.split("\n")
    out: list[str] = []
    done = 0
    for probe in range(STRIDE - 1, len(lines), STRIDE):
        kind = _kind(lines[probe]) if probe >= done else None
        if kind is None:
            continue
        start, end = probe, probe + 1
        while start > done and _kind(lines[start - 1]) == kind:
            start -= 1
        while end < len(lines) and _kind(lines[end]) == kind:
            end += 1
        gone = lines[start + 1 : end - 1]
        if len(gone) >= LEAST_GONE and sum(map(len, gone)) >= SHORTEST_GONE:
            out += [*lines[done : start + 1], f"{LEFT_OUT}{len(gone)} {NOUNS[kind]}]"]
            done = end - 1
    if not done:
        return text
    return "\n".join([*out, *lines[done:]])


def _kind(line: str) -> str | None:
    """What a line says that goes well, if it does."""
    line = line[:SEEN].strip()
    if line[10:11] == "T" and line[4:5] == "-":  # the time before each line of a build server's log
        line = line.partition(" ")[2].lstrip()
    found = _KIND.match(line) if line[:1] in _FIRST else None
    if found is not None:
        kind = found.lastgroup
        return None if kind not in _NAMED and _TROUBLE.search(line) else kind
    for sign, kind, pattern in _LATE:
        if sign in line and pattern.match(line):
            return kind
    return None
