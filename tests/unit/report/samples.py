"""Facts for reports, and text that wants to come alive."""

from __future__ import annotations

import io
import random
import re
import shutil
import subprocess
import zipfile
from html.parser import HTMLParser
from typing import Any

import numpy as np
from markdown_it import MarkdownIt

from churn.evaluation import curves
from churn.evaluation.metric_names import TITLES
from churn.review.report.facts import FORMAT, read

HOSTILE = [
    "@octocat",
    "see @org/team please",
    "#123 and GH-1, gh-22",
    "owner/repo#7",
    "owner/repo@0123456789abcdef0123456789abcdef01234567",
    "0123456789abcdef0123456789abcdef01234567",
    "https://evil.example/?a=b&c",
    "HTTP://evil.example",
    "www.evil.example",
    "ftp://evil.example/x",
    "mail@evil.example",
    "mail@evil.example|",
    "x`mail@evil.example`",
    "mailto:mail@evil.example",
    "xmpp:mail@evil.example/x",
    ":smile: :+1: :-1:",
    "$x^2$ and $$y$$ and $`z`$",
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '"><a href="https://evil.example">x</a>',
    "</details></summary></code><b>",
    "<!-- comment --><!--",
    "![x](https://evil.example/x.png)",
    "[x](https://evil.example)",
    "[x]: https://evil.example",
    "[^1] [ ] [x]",
    "<https://evil.example>",
    "`code` ``two`` ```three",
    "```mermaid",
    "~~~",
    "a|b|c",
    "\\|",
    "\\",
    "a\\`b",
    "**bold** _em_ ~~gone~~ __init__",
    "# title\n## another\n===\n---",
    "line\r\n\r\n| a | b |\n| --- | --- |",
    "- item",
    "+ item",
    "* item",
    "1. item",
    "12) item",
    "> quote",
    "---",
    "===",
    "&lt;b&gt; &#64;user &commat;user",
    "\u202eevil\u202c\u2066x\u2069",
    "@\u200buser #\u200b1 w\u200bww.evil.example",
    "\ufeff@user",
    "\u2028- item\u2029# title\x85x\x0b\x0c",
    "\x00\x1b[31mred\x07",
    "\ue000\ud800",
    "x" * 5000,
    "`" * 5000,
    "|" * 5000,
    "",
    " ",
    "\n",
]
_OTHER_WORDS = ("better", "inconclusive", "identical", None)
_SIGNS = [*"@#:/.`|\\<>[]()!*_~$&;-+=1a \n\t'\"{}^%?", "www.", "http://", "GH-1", "@u", "x.y"]
_SIGNS += ["\u200b", "\u202e", "<a", "<!--", "```", "](", "&#", "abcdef1", "é", "语", "mail@x.yz"]


def random_texts(count: int, seed: int) -> list[str]:
    """Return texts of the signs that mean something to a reader of Markdown, always the same."""
    chance = random.Random(seed)
    return ["".join(chance.choices(_SIGNS, k=chance.randint(1, 25))) for _ in range(count)]


def difference(metric: str = "roc_auc", **others: Any) -> dict[str, Any]:
    """Return one line of a comparison."""
    return {
        "metric": metric,
        "baseline": 0.81,
        "candidate": 0.82,
        "difference": 0.01,
        "lower": 0.002,
        "upper": 0.018,
        "word": "better",
    } | others


def points(seed: int = 1) -> dict[str, Any]:
    """Return the three curves of two models."""
    rng = np.random.default_rng(seed)
    probability = rng.random(300)
    y = (rng.random(300) < probability).astype(int)
    noisy = np.clip(probability + rng.normal(0, 0.2, 300), 0, 1)
    return {
        curve.__name__: {"baseline": curve(y, noisy), "candidate": curve(y, probability)}
        for curve in (curves.roc, curves.precision_recall, curves.calibration)
    }


def drifted(column: str, **others: Any) -> dict[str, Any]:
    """Return what a comparison says of one column."""
    return {
        "column": column,
        "psi": 0.4,
        "word": "large",
        "before": 1.0,
        "after": 2.0,
        "missing_before": 0.0,
        "missing_after": 0.0,
    } | others


def entry(name: str = "main", **others: Any) -> dict[str, Any]:
    """Return what a comparison says of one baseline."""
    return {
        "name": name,
        "identity": "1" * 40,
        "source": "stored",
        "model_digest": "2" * 64,
        "rows": 2055,
        "threshold": 0.16,
        "metrics": [difference(metric) for metric in TITLES],
        "slices": [
            {
                "column": "age",
                "slice": "<= 30",
                "rows": 500,
                "metrics": [difference("recall", difference=-0.1, word="worse")],
            },
            {
                "column": "region",
                "slice": "north",
                "rows": 400,
                "metrics": [
                    difference(name, word=word)
                    for name, word in zip(TITLES, _OTHER_WORDS, strict=False)
                ],
            },
        ],
        "curves": points(),
        "data": {
            "rows": [8000, 8100],
            "columns": [
                drifted("frequency", psi=0.31, before=4.5, after=9.0),
                drifted("steady", psi=0.01, word="none", after=1.0),
            ],
            "gone": ["fax_number"],
            "label_rate": [0.28, 0.31],
        },
    } | others


def check(name: str, status: str = "passed", found: str = "fine", **others: Any) -> dict[str, Any]:
    """Return one result of the checks."""
    passed = status == "passed"
    outcomes = [{"condition": "c", "passed": passed, "details": found}]
    return {"suite": "model", "check": name, "status": status, "outcomes": outcomes} | others


def facts(**others: Any) -> dict[str, Any]:
    """Return what a report says of a candidate that was judged, as JSON."""
    gates = [
        {"name": "dvc.lock", "passed": True, "value": "ok", "limit": "ok", "reason": "it is"},
        {"name": "ROC", "passed": False, "value": "0.7", "limit": "0.8", "reason": "too low"},
    ]
    known: dict[str, Any] = {
        "verdict": {
            "passed": False,
            "outcome": "judged",
            "reason": "ROC AUC is 0.7",
            "gates": gates,
        },
        "metrics": {"threshold": 0.16, "train": {}, "test": dict.fromkeys(TITLES, 0.5)},
        "checks": {"checks": [check("Good"), check("Bad", "failed", "is bad")]},
        "comparison": {"baselines": [entry()]},
        "changes": {
            "parameters": [
                {"key": "model.seed", "before": "42", "after": "43", "limit": False},
                {"key": "gates.minima.roc_auc", "before": "0.8", "after": "0.7", "limit": True},
            ],
            "files": ["params.yaml", "src/churn/x.py"],
        },
        "commit": "a" * 40,
        "uncommitted": False,
        "fingerprint": "b" * 64,
        "model_digest": "c" * 64,
        "format": FORMAT,
    }
    known |= others
    if known["comparison"]:
        known["comparison"] = {"model_digest": "c" * 64} | known["comparison"]
    read(known)
    return known


def hostile_facts(text: str) -> dict[str, Any]:
    """Return facts that hold a text at each place that the repository decides."""
    gates = [
        dict.fromkeys(("name", "value", "limit", "reason"), text) | {"passed": passed}
        for passed in (False, True)
    ]
    changed = [dict.fromkeys(("key", "before", "after"), text) | {"limit": True}]
    tuned = changed[0] | {"key": f"model.hyperparameters.{text}"}
    # Unlike the words of a verdict's outcome and a check's status, these may be any.
    worse = [difference(word="worse"), difference(text, word="worse"), difference(word=text)]
    one = entry(
        name=text,
        identity=text,
        model_digest=text,
        exam="own",
        metrics=[*worse, difference(word=None)],
        slices=[{"column": text, "slice": text, "rows": 60, "metrics": worse}],
        data={
            "rows": [1, 2],
            "columns": [drifted(text), drifted(text, word=text)],
            "gone": [text],
            "new": [text],
            "label_rate": [0.1, 0.2],
        },
    )
    search = {"format": 1, "digest": text, "candidates": 1, "earlier": 2, "metric": text}
    search |= {"optimistic": 0.1, "difference": None, "lower": None, "upper": None}
    return facts(
        reasons=[{"column": text, "effect": 0.1, "direction": text, "unit": text}],
        verdict={"passed": False, "outcome": "judged", "reason": text, "gates": gates},
        search=search | {"word": text, "rows": 3},
        checks={
            "checks": [
                check(text, "failed", text),
                check(text, "crashed", outcomes=[], error=text),
                check(text, "passed", text),
            ]
        },
        comparison={
            "baselines": [one, one | {"exam": "main", "rows": 7}, one | {"incomparable": text}]
        },
        changes={"parameters": [*changed, tuned], "files": [text], "judge": [text]},
        commit=text,
        fingerprint=text,
        model_digest=text,
    )


def zipped(text: str | bytes, name: str = "review.json") -> bytes:
    """Return a zip file with one file in it."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, text)
    return made.getvalue()


class Seen(HTMLParser):
    """The tags of a page, and its text outside of code."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.summaries: list[str] = []
        self._open: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in ("img", "br", "hr", "input", "meta"):
            self._open.append(tag)
        if tag == "summary":
            self.summaries.append("")

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop() != tag:
            pass

    def handle_comment(self, data: str) -> None:
        self.tags.append("!--")

    def handle_data(self, data: str) -> None:
        if "summary" in self._open:
            self.summaries[-1] += data
        if not {"code", "pre", "style"} & set(self._open):
            self.text += data


# What GitHub's own filters look for in text outside of code.
ALIVE = [
    re.compile(r"@[A-Za-z0-9]"),
    re.compile(r"#\d"),
    re.compile(r"\bGH-\d", re.IGNORECASE),
    re.compile(r"\b[0-9a-f]{7,40}\b"),
    re.compile(r":[\w+-]+:"),
    re.compile(r"://"),
    re.compile(r"\bwww\.", re.IGNORECASE),
    re.compile(r"[\w.+-]+@[\w-]+\.\w"),
    re.compile("[\u202a-\u202e\u2066-\u2069]"),
]


def in_html(markdown: str) -> str:
    """Render with markdown-it, raw HTML let through, addresses looked for."""
    return MarkdownIt("commonmark", {"html": True}).enable(["table"]).render(markdown)


CMARK_GFM = shutil.which("cmark-gfm")


def as_github(markdown: str) -> str:
    """Render with GitHub's own parser."""
    assert CMARK_GFM is not None
    extensions = ("table", "autolink", "strikethrough", "tasklist", "footnotes")
    command = [CMARK_GFM, "--unsafe", "--to", "html"]
    command += [word for name in extensions for word in ("-e", name)]
    # Not as text: that would make another line ending of "\r".
    done = subprocess.run(command, input=markdown.encode(), capture_output=True, check=True)
    return done.stdout.decode()
