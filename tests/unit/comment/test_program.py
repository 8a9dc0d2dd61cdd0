"""The comment's choices and its text; tests/workflows runs the whole over HTTPS."""

from __future__ import annotations

import ast
import json
import os
import random
import re
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt

import churn.comment.__main__ as program
from churn import github
from churn.comment import artifact, body, sticky
from churn.comment.artifact import RefusedError
from churn.comment.body import Run, compose, inert
from churn.errors import GitHubError
from churn.evaluation.curves import COMPARED, Points
from churn.report.mermaid import chart
from churn.report.text import code, prose
from tests.conftest import ROOT
from tests.unit.report.samples import HOSTILE

REPOSITORY = "https://github.com/octo/shop"
HEAD = "a" * 40
RUN = Run(77, 12, "success", HEAD, "better", "stranger/shop", REPOSITORY, "main")
BOT = "github-actions[bot]"
OWN_LINK = f"[the run]({REPOSITORY}/actions/runs/77)"
LINE: Points = [{"recall": x / 10, "precision": 1 - x / 20} for x in range(11)]
CHART = chart("precision_recall", LINE, LINE, "release/1.2~^_x-y")
# As the report is laid out. None of it may be harmed.
REPORT = f"""## ✅ Merge: better

**ROC AUC** rose by 0.01 (see below).

| metric | main | this | difference |
| --- | ---: | ---: | :--- |
| <code>roc&#124;auc</code> | 0.848 | 0.858 | +0.010 (0.004 to 0.016) |

<details><summary>27 checks passed</summary>

- FeatureDrift<br>on `recency_days` in `<= 15`

</details>

{CHART}

| | |
| --- | --- |
| run and files | {REPOSITORY}/actions/runs/77 |

<sub>*digest* 0123abc</sub>"""


class Rendered(HTMLParser):
    """Tags with their attributes, and the text outside of fenced blocks."""

    def __init__(self, markdown: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, tuple[tuple[str, str | None], ...]]] = []
        self.text = ""
        self._fenced = False
        parser = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
        self.feed(parser.render(markdown))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, tuple(attrs)))
        self._fenced |= tag == "pre"

    def handle_endtag(self, tag: str) -> None:
        self._fenced &= tag != "pre"

    def handle_data(self, data: str) -> None:
        self.text += "" if self._fenced else f"{data}\n"

    def handle_comment(self, data: str) -> None:
        self.tags.append(("a comment", ()))

    handle_decl = handle_pi = unknown_decl = handle_comment

    @property
    def alive(self) -> list[str]:
        """What a reader could be hurt or notified by."""
        tags = "a blockquote br code del details em h[1-6] hr li ol p pre s strong sub summary sup"
        allowed = re.compile(f"{tags} t(able|body|d|h|head|r) ul".replace(" ", "|"))
        found = [tag for tag, _ in self.tags if not allowed.fullmatch(tag)]
        for tag, attributes in self.tags:
            for name, value in attributes:
                known = (tag, name) in (("code", "class"), ("td", "style"), ("th", "style"))
                known |= (tag, name) == ("ol", "start")
                if not known and not (name == "href" and str(value).startswith(REPOSITORY)):
                    found.append(f"{tag} {name}={value}")
        text = self.text.replace(f"{REPOSITORY}/actions", "")
        found += re.findall(r"@\w+|#\d+|(?:gh|GH)-\d|\w+://\S+|www\.\S+", text, re.ASCII)
        return found


def test_the_oracle_sees_what_is_alive() -> None:
    text = "@a #1 GH-2 <https://e.x> ![i](j) <b onclick=x>c</b> <!-- d --> www.e.x"
    assert len(Rendered(text).alive) == 12


def test_a_report_of_ours_stays_as_it_is() -> None:
    assert inert(REPORT, REPOSITORY) == REPORT


@pytest.mark.parametrize("path", ["blob/main/x", "commit/0123abc", "compare/a...b", "tree/main"])
def test_no_address_is_a_link_but_that_of_a_run(path: str) -> None:
    for address in (f"{REPOSITORY}/{path}", f"{REPOSITORY}/{path}/actions/runs/1"):
        for text in (f"[Merge]({address})", address, f"| {address} |"):
            made = inert(text, REPOSITORY)
            assert "://" not in made
            assert "a" not in [tag for tag, _ in Rendered(made).tags]
    assert "a" not in [tag for tag, _ in Rendered(inert(OWN_LINK, REPOSITORY)).tags]
    assert inert(RUN.address, REPOSITORY) == RUN.address


@pytest.mark.parametrize("curve", COMPARED)
def test_the_charts_of_the_report_are_drawn(curve: str) -> None:
    x_name, y_name, *_ = COMPARED[curve]
    line: Points = [{x_name: x / 7, y_name: x / 9} for x in range(8)]
    for name in (*HOSTILE, "main", "v1.2.3~4^5", "a" * 60):
        assert (drawn := chart(curve, line, line, name)).startswith("```mermaid\n")
        assert inert(drawn, REPOSITORY) == drawn


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("xychart-beta", "flowchart LR"),
        ("  line", '  click A href "https://evil.example"\n  line'),
        ("  line", "  %%{init: {'securityLevel': 'loose'}}%%\n  line"),
        ("grey, this change blue", "grey, <b>this</b> change blue"),
        ("grey, this change blue", "grey, this change <img src=x> blue"),
        ("Recall", "Recall &quot;"),
        ("Recall", "Recall\u200b"),
        ("width: 480", 'width: "480"'),
        ("  themeVariables:", "  securityLevel: loose\n  themeVariables:"),
        ("#999999", "url(x)"),
        ("1.000,", "1e3,"),
        ("1.000,", "NaN,"),
        ("1.000,", "\u0661.000,"),
        ("0 --> ", "-1 --> "),
        ("\n```", "\n\n```"),
        ("\n```", "\n ```"),
        ("```mermaid", "```mermaid "),
    ],
)
def test_any_other_diagram_is_shown_as_plain_code(old: str, new: str) -> None:
    assert old in CHART
    block = CHART.replace(old, new, 1)
    made = inert(f"\n{block}\n\nx", REPOSITORY)
    assert made == f"\n```text\n{block.partition(chr(10))[2]}\n\nx"


def test_a_diagram_that_lacks_a_row_or_repeats_one_is_shown_as_plain_code() -> None:
    lines = CHART.splitlines()
    for i in range(1, len(lines) - 1):
        for changed in ([*lines[:i], *lines[i + 1 :]], [*lines[:i], lines[i], *lines[i:]]):
            assert inert("\n".join(changed), REPOSITORY).startswith("```text\n")


@pytest.mark.parametrize("name", HOSTILE)
def test_what_the_report_has_made_inert_stays_as_it_is(name: str) -> None:
    # A code span with such a name is changed all the same: within HTML it would be text.
    for made in (prose(name), code(f"{name} a|b.c-d")):
        for line in (made, f"| {made} |", f"- {made}"):
            assert inert(line, REPOSITORY) == line.rstrip()


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("R&D &amp; &#x40 &copy;", "R&#38;D &#38;amp; &#38;#x40 &#38;copy;"),
        ("&#64;everyone", "&#38;#\u200b64;everyone"),
        ("&#97;", "&#38;#\u200b97;"),
        (
            "&#1114112; &#55296; &#57344;",
            "&#38;#\u200b1114112; &#38;#\u200b55296; &#38;#\u200b57344;",
        ),
        ("&#096; &#96", "&#38;#\u200b096; &#38;#\u200b96"),
    ],
)
def test_what_the_report_does_not_write_by_its_number_is_shown(hostile: str, shown: str) -> None:
    assert inert(hostile, REPOSITORY) == shown


@pytest.mark.parametrize(
    "hostile",
    [
        "@octo/team @everyone mail@example.org",
        "&#64;everyone &#x40;everyone &commat;everyone \\@everyone &&#35;64;everyone",
        "`@everyone` <summary>`@everyone &commat;everyone &#x40;everyone`</summary>",
        "<details><summary>&#x40octocat &#x40org/team &#64octocat</summary>\n\n</details>",
        "<sub>\n&#x00000040;octocat &#00000064;octocat &#X040octocat\n</sub>",
        "&#64;everyone &#64;&#101;veryone x@&#45;y.example &#35;7 www&#46;evil.example gh&#45;3",
        "https&#58;//evil.example https:&#47;/evil.example https&#58;&#47;&#47;evil.example",
        "closes #1, fixes octo/shop#2, GH-3, &#35;4, #&#53;, `#6`",
        "https://evil.example http://evil.example www.evil.example &#119;ww.evil.example",
        "![x](https://evil.example/pixel.png) ![x][1] !\\[x](https://evil.example)",
        "[x](https://evil.example) [x](javascript:alert(1)) [x][1] [^1]\n\n[1]: https://evil.example",
        f"[x]({REPOSITORY}evil/actions/runs/1) [x]({REPOSITORY}/actions/runs/../../../evil)",
        f"{REPOSITORY}/actions/runs/../../../evil {REPOSITORY}evil/actions/runs/1",
        f"{REPOSITORY}/actions/runs/7%2e%2e/%2e%2e/%2e%2e/%2e%2e/evil {REPOSITORY}/issues/1",
        f"{OWN_LINK} [x]({REPOSITORY}/blob/main/README.md) {REPOSITORY}/blob/main/README.md",
        f"[x]({REPOSITORY}/issues/1) ![x]({REPOSITORY}/actions/runs/77)",
        "<https://evil.example> <a href='https://evil.example'>x</a> <img src=x onerror=y>",
        "<script>alert(1)</script> <!-- @everyone --> <details open> <sub onclick=x> <sub\n>",
        "<details>\n```mermaid\n<img src=x> @everyone\n```\n</details>",
        "<details>\n\u00a0\n```mermaid\n<img src=x> @everyone\n```\n</details>",
        "| a `b | c` @everyone |\n| --- | --- |\n| `@a | b` |",
        "x ` y\n` @everyone `z`",
        "    ```\n<img src=x>\n    ```",
    ],
)
def test_nothing_comes_alive(hostile: str) -> None:
    assert Rendered(inert(hostile, REPOSITORY)).alive == []


_WORDS = """
@a @ #1 # 1 GH-1 gh-1 https://e.x :// www.e.x www. ` `` ``` ~~~ | \\ [ ] ( ) ![ ]( < </ > <img <a
<details> </details> <summary> </summary> <code> </code> <sub> </sub> <br> <!-- --> <script> <pre>
</pre> &#64; &#35; &#60; &lt; &amp; &#x40; &commat; &num; & #x40; #64; amp; - * _ $ [x]: [^1] a b
=== --- <? <![CDATA[ x@y.z octo/shop#1 ! &#x40 &#x00000040; &#58; &#47; &#46; &#45; &#8203; &#49;
"""
_PIECES = re.findall(r"\S+", _WORDS)
_PIECES += ["\n", "\n\n", "\n\n```mermaid\n", "\n```mermaid\n", "\n```\n", "    ", "\t", "> ", " "]
_PIECES += ["|\n|---|---|\n|", "\u00a0", OWN_LINK, "[x](javascript:a)", RUN.address]


@pytest.mark.parametrize("seed", range(4))
def test_nothing_comes_alive_in_what_nobody_has_thought_of(seed: int) -> None:
    chosen = random.Random(seed)
    shown = 0
    for _ in range(2000):
        text = "".join(chosen.choices(_PIECES, k=chosen.randint(1, 20)))
        try:
            made = inert(text, REPOSITORY)
        except RefusedError:
            continue
        shown += 1
        assert Rendered(made).alive == [], repr(text)
    assert shown > 500


@pytest.mark.parametrize(
    ("hostile", "reason"),
    [
        ("```text\n", "leaves a block"),
        ("<details>\n\nx", "leaves a block or an HTML tag open"),
        ("</details>", "closes an HTML tag that is not open"),
        ("<sub></details></sub>", "closes an HTML tag"),
        ("a &#8238; b", "control characters, written by their numbers"),
        ("\n\n".join(["```mermaid\npie\n```"] * 7), "more than 6 diagrams"),
        (f"```mermaid\n{'x' * 20_000}\n```", "a diagram has more than 20,000 characters"),
    ],
)
def test_a_report_that_harms_the_rest_of_the_comment_is_refused(hostile: str, reason: str) -> None:
    with pytest.raises(RefusedError, match=reason):
        inert(hostile, REPOSITORY)


def test_a_comment_says_which_run_and_commit_it_belongs_to() -> None:
    made = compose(REPORT, RUN)
    assert made.startswith(
        f"{REPORT}\n\n---\n\n<sub>[Run 12]({REPOSITORY}/actions/runs/77) of aaaa"
    )
    assert f"{HEAD}: success." in made
    # The report cannot put it away: it is a paragraph of its own.
    assert ("a", (("href", RUN.address),)) in Rendered(made).tags


@pytest.mark.parametrize("conclusion", ["failure", "cancelled", "timed_out", "None"])
@pytest.mark.parametrize("report", [REPORT, "## ✅ Merge: better\n===\n", "## ✅ x"])
def test_a_run_that_has_not_succeeded_is_not_told_as_one_to_merge(
    conclusion: str, report: str
) -> None:
    made = compose(report, replace(RUN, conclusion=conclusion))
    first, empty, weaker, below, *rest = made.split("\n")
    assert first == f"## ❌ Do not merge: the run ended as {conclusion}"
    said = report.partition("\n")[0].removeprefix("## ")
    assert weaker == f"The report of this run says otherwise: {said}"
    # Nothing below makes a heading or a table of that line.
    assert empty == below == ""
    assert Rendered(made).alive == []
    tags = [tag for tag, _ in Rendered(made).tags]
    assert tags[:2] == ["h2", "p"]
    assert tags.count("h2") == 1
    assert f"{HEAD}: {conclusion}." in made
    if report == REPORT:
        assert REPORT.partition("\n")[2].strip() in "\n".join(rest)


def test_a_report_that_says_so_itself_keeps_its_heading() -> None:
    for conclusion in ("success", "failure"):
        made = compose("## ❌ Do not merge: cost rose\n", replace(RUN, conclusion=conclusion))
        assert made.startswith("## ❌ Do not merge: cost rose\n\n---\n")


def test_a_comment_that_grows_too_long_is_refused() -> None:
    with pytest.raises(RefusedError, match="more than 65,000 characters"):
        compose("[" * 59_000, RUN)


def listed(number: int, **other: Any) -> dict[str, Any]:
    return {"id": number, "name": "comment", "size_in_bytes": 9, "expired": False} | other


def test_the_artifact_of_the_last_attempt_is_chosen() -> None:
    found = [listed(4), listed(5), listed(6, expired=True), listed(7, name="candidate")]
    chosen = artifact.newest(found)
    assert chosen and chosen["id"] == 5
    assert artifact.newest(found[2:]) is None


def test_a_too_large_artifact_is_refused_by_its_listing() -> None:
    with pytest.raises(RefusedError, match="larger than 1,000,000 bytes"):
        artifact.newest([listed(4, size_in_bytes=1_000_001)])


@pytest.mark.parametrize("hostile", ["\x1b[31m", "\x00", "\r", "\x85", "\u202e", "\u2066"])
def test_control_characters_are_refused(hostile: str) -> None:
    assert artifact.decode("## ✅ Merge: x\r\n\ty\n".encode()) == "## ✅ Merge: x\n\ty\n"
    with pytest.raises(RefusedError, match="control characters"):
        artifact.decode(f"## ✅ Merge: {hostile}".encode())


@pytest.mark.parametrize(
    "hidden",
    "\u00ad\u061c\u180e\u200c\u200d\u200e\u2060\u2064\u206a\ufeff\ufff9\U0001d173"
    "\U000e0000\U000e0001\U000e0041\U000e007f\u115f\u1160\u2800\u3164",
    ids=ascii,
)
def test_what_nobody_sees_is_refused(hidden: str) -> None:
    with pytest.raises(RefusedError, match="hidden or control characters"):
        artifact.decode(f"## ✅ Merge: a{hidden}b".encode())
    with pytest.raises(RefusedError, match="hidden or control characters, written by"):
        inert(f"a&#{ord(hidden)};b", REPOSITORY)


def test_the_signs_of_the_report_are_no_hidden_ones() -> None:
    report = "## ✅ Merge: ❌ ⚠️ @\u200bx &#8203; … é 语 ‰"
    assert artifact.decode(report.encode()) == report


def comment(number: int, login: str = BOT, text: str | None = None) -> dict[str, Any]:
    text = sticky.mark("x", HEAD) if text is None else text
    return {"id": number, "body": text, "user": {"login": login}}


def test_only_a_comment_of_the_bot_with_the_mark_is_ours() -> None:
    others = [comment(1, "stranger"), comment(2, text="x"), comment(3, text="CML watermark")]
    assert sticky.ours(others, BOT) is None
    assert sticky.ours([*others, comment(4)], BOT) == comment(4)
    assert sticky.ours([{**comment(1), "user": None, "body": None}], BOT) is None


def test_cml_writes_only_where_it_finds_what_is_ours() -> None:
    talk = [comment(n, "reviewer", "talk") for n in range(30)]
    assert sticky.cml_agrees([], BOT)
    assert sticky.cml_agrees([comment(1)], BOT)
    assert sticky.cml_agrees(talk, BOT)
    assert not sticky.cml_agrees([comment(1, "stranger")], BOT)
    assert not sticky.cml_agrees([comment(1), comment(2, "stranger")], BOT)
    assert not sticky.cml_agrees([*talk, comment(31)], BOT)


def pull(
    number: int, source: str, branch: str = "better", head: str = HEAD, base: str = "main"
) -> dict[str, Any]:
    return {
        "number": number,
        "base": {"ref": base},
        "head": {"ref": branch, "sha": head, "repo": source and {"full_name": source}},
    }


class Repository:
    """A repository that has these pull requests open."""

    def __init__(self, *pulls: dict[str, Any]) -> None:
        self.pulls = list(pulls)

    def pull_requests(self, owner: str, branch: str) -> list[dict[str, Any]]:
        assert (owner, branch) == ("stranger", "better")
        return self.pulls


def found(*pulls: dict[str, Any], run: Run = RUN) -> int | None:
    return program.find_pull_request(run, Repository(*pulls))  # type: ignore[arg-type]


def test_the_pull_request_is_found_by_source_branch_and_commit(
    capsys: pytest.CaptureFixture[str],
) -> None:
    # GitHub answers with every open pull request where it does not understand `head`.
    others = [pull(1, "octo/shop"), pull(2, "stranger/shop", "other"), pull(4, "")]
    assert found(*others, pull(3, "stranger/shop")) == 3
    assert found(*others) is None
    assert "not open" in capsys.readouterr().out
    assert found(*others, pull(3, "stranger/shop", head="b" * 40)) is None
    assert "a newer push has superseded it" in capsys.readouterr().out
    with pytest.raises(GitHubError, match="several"):
        found(pull(3, "stranger/shop"), pull(5, "stranger/shop"))


def test_of_two_pull_requests_of_one_commit_the_one_to_the_default_branch_is_meant() -> None:
    ours, other = pull(3, "stranger/shop"), pull(5, "stranger/shop", base="release")
    assert found(ours, other) == found(other, ours) == 3
    assert found(ours, other, run=replace(RUN, base="release")) == 5
    assert found(other) == 5  # the workflow was told to run for that branch as well
    with pytest.raises(GitHubError, match="several"):
        found(other, pull(7, "stranger/shop", base="next"))


def test_a_run_that_waits_for_approval_says_nothing() -> None:
    waiting = Run(77, 12, "action_required", HEAD, "better", "stranger/shop", REPOSITORY, "main")
    assert found(pull(3, "stranger/shop"), run=waiting) is None


def test_a_fork_that_is_gone_has_no_pull_request() -> None:
    run = {"id": 1, "run_number": 2, "conclusion": "success", "head_sha": HEAD}
    event = {"workflow_run": run | {"head_branch": "better", "head_repository": None}}
    made = program.read_event(event | {"repository": {"default_branch": "trunk"}}, REPOSITORY)
    assert (made.source, made.base) == ("None", "trunk")


def test_outside_of_a_workflow_it_says_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("GITHUB_EVENT_PATH", raising=False)
    with pytest.raises(SystemExit) as stopped:
        program.main([])
    assert stopped.value.code == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("Error: 'GITHUB_EVENT_PATH' is missing")


EVENT = {
    "repository": {"default_branch": "main"},
    "workflow_run": {
        "id": 77,
        "run_number": 12,
        "conclusion": "success",
        "head_sha": HEAD,
        "head_branch": "better",
        "head_repository": {"full_name": "stranger/shop"},
    },
}
PULLS = json.dumps([pull(3, "stranger/shop")])
ONE_ARTIFACT = json.dumps({"artifacts": [listed(1)]})
# Stand-ins for gh: what they do where pulls, the list of artifacts and the archive are asked for.
GH = """#!/bin/sh
case "$*" in
*/pulls*) {pulls} ;;
*runs/77/artifacts*) {artifacts} ;;
*/zip*) {archive} ;;
esac
"""


@pytest.fixture
def gh(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., None]:
    """Return what makes a workflow whose gh does as it is told."""
    event = tmp_path / "event.json"
    event.write_text(json.dumps(EVENT))
    monkeypatch.setenv("GITHUB_EVENT_PATH", str(event))
    monkeypatch.setenv("GITHUB_SERVER_URL", "https://github.com")
    monkeypatch.setenv("GITHUB_REPOSITORY", "octo/shop")
    monkeypatch.setenv("GH_TOKEN", "x")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)

    def make(
        pulls: str = f"echo '{PULLS}'",
        artifacts: str = f"echo '{ONE_ARTIFACT}'",
        archive: str = "exit 1",
        sent: str | None = None,
    ) -> None:
        (tmp_path / "gh").write_text(GH.format(pulls=pulls, artifacts=artifacts, archive=archive))
        (tmp_path / "gh").chmod(0o755)
        if sent is not None:
            event.write_text(sent)

    return make


def said(capsys: pytest.CaptureFixture[str]) -> str:
    """Run the program, which has to fail, and return its one line."""
    with pytest.raises(SystemExit) as stopped:
        program.main([])
    assert stopped.value.code == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("Error: ")
    return line.removeprefix("Error: ")


@pytest.mark.parametrize("asked", ["pulls", "artifacts", "archive"])
def test_a_gh_that_does_not_answer_is_one_line(
    gh: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    asked: str,
) -> None:
    gh(**{asked: "exec sleep 20"})
    monkeypatch.setattr(github, "PATIENCE_S", 0.5)
    started = time.perf_counter()
    assert "no answer in 0.5 seconds" in said(capsys)
    assert time.perf_counter() - started < 10


def test_a_gh_that_sends_and_then_does_not_end_is_one_line(
    gh: Callable[..., None], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    gh(archive="echo x; exec sleep 20 >&-")
    monkeypatch.setattr(github, "PATIENCE_S", 0.5)
    assert said(capsys) == "downloading the artifact: no answer in 0.5 seconds"


@pytest.mark.parametrize(
    ("does", "line"),
    [
        ({"pulls": "echo '[{}]'"}, "GitHub's answer is not as expected: KeyError 'head'"),
        ({"artifacts": "echo '{}'"}, "GitHub's answer is not as expected: KeyError 'artifacts'"),
        ({"artifacts": "echo '[]'"}, "GitHub's answer is not as expected: TypeError list indices"),
        ({"pulls": "echo '<html>'"}, "GET pulls: the answer is not JSON"),
        ({"archive": "echo gone >&2; exit 1"}, "downloading the artifact: gone"),
        ({"sent": "{}"}, "GITHUB_EVENT_PATH holds no workflow_run that has ended: KeyError"),
        ({"sent": "[]"}, "GITHUB_EVENT_PATH holds no workflow_run that has ended: TypeError"),
        ({"sent": "x"}, "GITHUB_EVENT_PATH holds no workflow_run that has ended: JSONDecodeError"),
    ],
)
def test_what_is_not_as_expected_is_called_by_its_name(
    gh: Callable[..., None], capsys: pytest.CaptureFixture[str], does: dict[str, str], line: str
) -> None:
    gh(**does)
    found = said(capsys)
    assert found.startswith(line)
    assert "comment.yml" not in found


@pytest.mark.parametrize("name", ["GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GH_TOKEN"])
def test_a_variable_that_is_missing_is_named(
    gh: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
) -> None:
    gh()
    monkeypatch.delenv(name)
    assert said(capsys) == f"'{name}' is missing; run this in comment.yml"


def test_it_needs_nothing_but_the_standard_library() -> None:
    package = ROOT / "src/churn"
    for file in (*package.glob("comment/*.py"), package / "github.py", package / "errors.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [f"{node.module}.{a.name}" for a in node.names]
            for name in names:
                ours = re.match(r"churn\.(comment|errors|github)\b", name)
                assert ours or name.partition(".")[0] in sys.stdlib_module_names, name
    assert body.MAX_CHARACTERS < 65_536


@pytest.mark.parametrize("piece", [*_PIECES, "`a", "[a](", "[a](b) ", "https:///actions/runs/1"])
def test_no_text_takes_long(piece: str) -> None:
    text = piece * (60_000 // len(piece))
    started = time.perf_counter()
    try:
        inert(text, REPOSITORY)
    except RefusedError:
        pass
    assert time.perf_counter() - started < 5
