"""The factors and task types as shipped: the data of `routing.factors` and `routing.task_types` in tiers.yaml.

The same data stands in the shipped tiers.yaml, where people tune it; a test holds the two equal. It is kept here as
well because `score_bodies` scores without a configuration, and a file may leave factors out.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from gateway.api import TaskType

FACTORS: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "context_size": (
            {"up_to": 2000, "points": 0},
            {"up_to": 16000, "points": 0.5},
            {"up_to": 64000, "points": 1.5},
            {"points": 3},
        ),
        "task_type": {"default": 3},
        "breadth": ({"up_to": 3, "points": 0}, {"up_to": 10, "points": 0.5}, {"up_to": 25, "points": 1}, {"points": 2}),
        "past_failures": {"max": 1},
    }
)

TASK_TYPES: Final[tuple[TaskType, ...]] = (
    TaskType(
        "log_summary",
        1,
        (
            r"\b(summari[sz]e|condense|digest|explain|analy[sz]e|read)\b.{0,60}\blogs?\b",
            r"\blog (summary|digest|excerpt)\b",
            r"\bwhat (happened|went wrong) in (the|this|these) logs?\b",
        ),
    ),
    TaskType(
        "file_scan",
        1,
        (
            (
                r"\b(list|find|locate|scan|search|grep|count)\b.{0,40}\b(files?|director(y|ies)|folders?|occ"
                r"urrences|usages)\b"
            ),
            r"\bwhich files?\b",
            r"\bwhere is .{1,60} (defined|used|called|imported)\b",
        ),
    ),
    TaskType(
        "syntax_check",
        1,
        (
            r"\b(check|validate|verify|fix)\b.{0,30}\bsyntax\b",
            r"\bsyntax (check|errors?)\b",
            r"\b(lint|format) (this|the|my)\b",
            r"\bis (this|the following) valid (json|yaml|xml|toml|sql|html|python|javascript)\b",
        ),
    ),
    TaskType(
        "data_extraction",
        1,
        (
            (
                r"\bextract\b.{0,80}\b(from|into|as|fields?|values?|names?|dates?|entities|emails?|numbers?|"
                r"amounts?)\b"
            ),
            r"\b(convert|turn|transform|parse)\b.{0,60}\b(to|into|as) (json|csv|yaml|xml|a table|markdown)\b",
            r"\bclassify (this|the|these|each)\b",
        ),
    ),
    TaskType(
        "documentation",
        2,
        (
            (
                r"\b(write|add|update|improve|generate|create)\b.{0,40}\b(docs?|documentation|docstrings?|re"
                r"adme|changelog|comments?)\b"
            ),
            r"\bdocument (this|the|these|each|every|all)\b",
        ),
    ),
    TaskType(
        "code_implementation",
        3,
        (
            (
                r"\b(implement|build|code)\b.{0,60}\b(function|class|method|module|feature|endpoint|componen"
                r"t|script|parser|algorithm|command)\b"
            ),
            (
                r"\b(write|create|add)\b.{0,30}\b(function|class|method|script|program|component|endpoint|mo"
                r"dule|feature)\b"
            ),
        ),
    ),
    TaskType(
        "refactoring",
        3,
        (
            r"\brefactor(s|ed|ing)?\b",
            (
                r"\b(clean up|restructure|simplify|deduplicate|modernize)\b.{0,40}\b(code|function|class|mod"
                r"ule|file|methods?)\b"
            ),
            r"\b(rename|extract|inline|split|move)\b.{0,30}\b(function|class|method|variable|module)\b",
        ),
    ),
    TaskType(
        "bug_fix",
        3,
        (
            (
                r"\b(fix|solve|resolve|repair)\b.{0,60}\b(bugs?|issues?|errors?|crash(es)?|exceptions?|failu"
                r"res?|failing|broken|regression)\b"
            ),
            r"\b(bug|hot)[ -]?fix(es)?\b",
            r"\bwhy (does|is|do|are) .{1,80}(not work|fail|crash|break|throw)",
        ),
    ),
    TaskType(
        "test_writing",
        2,
        (
            r"\b(write|add|create|generate|extend)\b.{0,40}\b(unit |integration |e2e |regression )?tests?\b",
            r"\btest (cases?|coverage|suite)\b",
        ),
    ),
    TaskType(
        "code_review",
        3,
        (
            r"\b(code|pr|pull request|merge request|diff|patch) review\b",
            (
                r"\breview (this|the|my|our|these)\b.{0,40}\b(code|pr|pull request|diff|patch|changes?|commi"
                r"ts?|function|class)\b"
            ),
        ),
    ),
    TaskType(
        "api_integration",
        3,
        (
            (
                r"\bintegrat(e|es|ing|ion)\b.{0,60}\b(api|sdk|webhooks?|oauth|service|stripe|slack|github|gr"
                r"aphql|rest)\b"
            ),
            (
                r"\b(call|connect to|consume|use)\b.{0,30}\b(rest|graphql|grpc|http|external|third[- ]party)"
                r" (api|service)s?\b"
            ),
        ),
    ),
    TaskType(
        "debugging_complex",
        4,
        (
            (
                r"\b(race condition|dead ?lock|memory leak|heisenbug|segfault|segmentation fault|core dump|d"
                r"ata corruption|stack corruption)s?\b"
            ),
            (
                r"\b(flaky|intermittent(ly)?|non-?deterministic(ally)?|sporadic(ally)?)\b.{0,40}\b(fail\w*|t"
                r"ests?|bugs?|crash\w*|errors?)\b"
            ),
            r"\broot[- ]cause\b",
        ),
    ),
    TaskType(
        "performance_optimization",
        4,
        (
            (
                r"\b(optimi[sz]e|speed up|accelerate|tune|profile)\b.{0,60}\b(performance|speed|latency|thro"
                r"ughput|memory|quer(y|ies)|code|function|loop|runtime)\b"
            ),
            r"\b(performance|latency|throughput) (issue|problem|bottleneck|optimi[sz]ation|tuning)s?\b",
            r"\btoo slow\b",
        ),
    ),
    TaskType(
        "planning",
        3,
        (
            (
                r"\b(make|create|write|draft|propose|outline|develop)\b.{0,30}\b(plan|roadmap|milestones?|ba"
                r"cklog)\b"
            ),
            r"\b(migration|implementation|project|rollout|test) plan\b",
            r"\bbreak (this|it|the .{1,40}) (down )?into (tasks|steps|tickets|issues)\b",
        ),
    ),
    TaskType(
        "architecture_design",
        4,
        (
            (
                r"\b(design|architect|propose|choose)\b.{0,60}\b(architecture|system|micro-?services?|databa"
                r"se schema|data model|event[- ]driven|platform)\b"
            ),
            r"\b(system|software|solution) (design|architecture)\b",
            r"\barchitecture (decision|record|review|design)\b",
        ),
    ),
    TaskType(
        "security_review",
        4,
        (
            r"\bsecurity (review|audit|assessment|analysis|hole|flaw)s?\b",
            (
                r"\b(find|check for|audit|look for)\b.{0,40}\b(vulnerabilit(y|ies)|security (issue|problem|b"
                r"ug)s?|injections?|exploits?|xss|csrf)\b"
            ),
            r"\b(threat model(l?ing)?|pen(etration)?[- ]?test(ing)?|cve-\d{4}-\d+)\b",
        ),
    ),
    TaskType(
        "strategic_decision",
        4,
        (
            (
                r"\bstrateg(y|ic)\b.{0,40}\b(decisions?|decide|choices?|choose|options?|recommend\w*|directi"
                r"ons?)\b"
            ),
            r"\b(build (or|vs\.?|versus) buy|go[/ -]no[- ]?go|trade-?off analysis)\b",
            r"\bshould we (adopt|migrate|switch|invest|rewrite|replace|move to)\b",
        ),
    ),
    TaskType(
        "production_critical",
        4,
        (
            r"\bproduction\b.{0,40}\b(outage|incident|down|failure|emergency|hot ?fix|data loss|critical)\b",
            r"\b(outage|incident|sev[- ]?[01]|p0)\b.{0,40}\b(production|prod|customers?|live)\b",
            r"\b(critical|urgent)\b.{0,30}\b(production|prod)\b",
        ),
    ),
)
