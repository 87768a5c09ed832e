"""The live page as a browser without a script reads it: whole, escaped, and nothing from elsewhere."""

import re
from base64 import b64encode
from hashlib import sha256
from html.parser import HTMLParser

from sidecar.carp.effects import Reason, State
from sidecar.ops import page
from tests.unit.ops_reports import WALL, peer, report, status_of, transition

EVIL = "<script>alert('x')</script>&\"'"


class Document(HTMLParser):
    """Tags with their attributes, texts, and whether every element was closed in order."""

    VOID = ("meta", "link", "br")

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.code: dict[str, str] = {}
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in {"script", "style"}:
            self.code[self.open[-1]] = data
        elif data.strip():
            self.texts.append(data.strip())


def shown(*reports: object, **fields: object) -> Document:
    return Document(page.render(status_of(*reports, **fields), WALL).decode())  # type: ignore[arg-type]


def test_the_page_is_whole_without_a_script() -> None:
    moved = transition(100, State.MASTER, State.BACKUP, Reason.BETTER_PEER, "192.0.2.2 (advbase 1, advskew 0)")
    backup = report(
        reason="better_peer: 192.0.2.2",
        master=peer(),
        peers=(peer(), peer("192.0.2.3", 70, left=True)),
        demotion=80,
        causes={"ntp": 80},
        transitions=(moved,),
    )
    document = shown(backup, ntp={"state": "holdover", "stratum": 2})
    assert document.open == []
    for expected in (
        "node-a",
        "BACKUP",
        "vhid 10 on eth0",
        "192.0.2.2 is master, heard 400 ms ago",
        "ntp 80",
        "192.0.2.3",
        "1 min 10 s ago (bowed out)",
        "MASTER \N{RIGHTWARDS ARROW} BACKUP",
        "better_peer: 192.0.2.2 (advbase 1, advskew 0)",
        "holdover, stratum 2",
    ):
        assert expected in document.texts


def test_every_virtual_host_has_its_section() -> None:
    document = shown(report(State.MASTER), report(), report(State.INIT))
    sections = [attributes.get("class") for tag, attributes in document.tags if tag == "section"]
    assert sections == ["master", "backup", "init", None]


def test_nothing_that_is_shown_becomes_markup() -> None:
    moved = transition(1, State.INIT, State.BACKUP, Reason.STARTED, EVIL)
    vhost = report(interface=EVIL, reason=EVIL, causes={EVIL: 1}, demotion=1, transitions=(moved,))
    status = status_of(vhost, ntp={"state": EVIL, "stratum": EVIL})
    status.update({"node": EVIL, "version": EVIL, "kubernetes": {EVIL: EVIL}})
    document = Document(page.render(status, WALL).decode())
    assert [tag for tag, _ in document.tags].count("script") == 1
    assert "alert" not in document.code["script"]
    assert document.texts.count(EVIL) >= 3
    assert document.open == []


def test_nothing_comes_from_elsewhere() -> None:
    html = page.render(status_of(report()), WALL).decode()
    assert "//" not in html.replace("<!doctype", "")
    links = [attributes for tag, attributes in Document(html).tags if tag in {"link", "img", "script"}]
    assert all(not attributes or attributes == {"rel": "icon", "href": "data:,"} for attributes in links)


def test_its_policy_allows_its_own_style_and_script_and_no_other() -> None:
    document = shown(report())
    assert "unsafe" not in page.POLICY
    for kind in ("script", "style"):
        digest = b64encode(sha256(document.code[kind].encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in page.POLICY
    assert not any(name == "style" or name.startswith("on") for _, attributes in document.tags for name in attributes)


def test_it_is_made_for_a_phone_and_reloads_itself_without_a_script() -> None:
    html = page.render(status_of(report()), WALL).decode()
    assert 'name="viewport" content="width=device-width' in html
    assert re.search(r"<noscript><meta http-equiv=\"refresh\" content=\"\d\"></noscript>", html)
