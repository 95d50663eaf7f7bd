"""What is asked of every framework under every server, and what must be recorded of it.

The table below holds for all; an application's file says how its framework spells the routes,
what it cannot have (EXCEPT) and, where the framework itself answers otherwise, what (DIFFERS).
"""

from __future__ import annotations

import ast
import importlib.util
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

APPS = Path(__file__).parent / "apps"

PAUSE = 0.05
"""Seconds that an application waits before each chunk of `/stream` but the first."""
WORK = 1.0
"""Seconds that it works on after it has answered `/background`."""


@dataclass(frozen=True)
class Scenario:
    """One request.

    Attributes:
        path, method, upload: what the client sends; `upload` is the length of its body.
        leaves: the client goes away after the first bytes of the answer's body.
        status, error: as recorded; a client that reads must see the same status.
        answer: the body that the client must see, where it is always the same.
        size: the least length of that body.
        route: where all frameworks mean the same.
        whole: the application itself has given all the bytes that the client sees.
        longer, shorter: bounds of the recorded duration, by what the application sleeps.
        patience: seconds that the client waits for the rest of an answer.
        opens: it is a connection that stays open and no request; what is counted of it, by what
            follows the route. Only put to applications that name it in their ROUTES.
    """

    path: str
    method: str = "GET"
    upload: int = 0
    leaves: bool = False
    status: int = 200
    error: str | None = None
    answer: bytes | None = None
    size: int = 0
    route: str | None = None
    whole: bool = True
    longer: float = 0.0
    shorter: float = 60.0
    patience: float = 20.0
    opens: dict[str, int] | None = None


SCENARIOS = {
    "ok": Scenario("/ok", answer=b"ok"),
    "item": Scenario("/items/7"),
    "missing": Scenario("/nowhere", status=404, route="unmatched"),
    "method": Scenario("/ok", method="POST", status=405),
    "redirect": Scenario("/redirect", status=302),
    "raise": Scenario("/raise", status=500, error="ValueError", whole=False),
    "http_error": Scenario("/teapot", status=418),
    # Some servers leave the connection of a broken answer open.
    "late": Scenario("/late", error="ValueError", whole=False, patience=5),
    # A loop may wake a millisecond early.
    "stream": Scenario("/stream", answer=b"abc", longer=1.9 * PAUSE),
    "abort": Scenario("/endless", leaves=True, error="client_disconnected", whole=False),
    "upload": Scenario("/upload", method="POST", upload=300_000, answer=b"300000"),
    "large": Scenario("/large", size=10_000_000),
    "sub": Scenario("/sub/items/7"),
    "static": Scenario("/static/x.txt", answer=b"static\n"),
    "many": Scenario("/many/999/y"),
    "events": Scenario("/events", opens={" tick": 2, "": 1}),
    "socket": Scenario(
        "/socket/7", status=101, answer=b"hi", opens={" received": 1, " sent": 1, " 4002": 1}
    ),
    "background": Scenario("/background", shorter=WORK),
}


@dataclass(frozen=True, eq=False)
class App:
    """An application's file, as far as its data tells.

    Attributes:
        module: name of the file without its ending.
        attribute: of the application in it.
        servers: names of `servers.SERVERS` it is served by.
        routes: by scenario; "*" stands for all that are not named; else it is the path itself.
        excluded: scenarios that the framework cannot have, with the reason.
        differs: fields of scenarios, as in {"method": {"status": 404}}.
    """

    module: str
    attribute: str
    servers: tuple[str, ...]
    routes: dict[str, str]
    excluded: dict[str, str] = field(default_factory=dict)
    differs: dict[str, dict[str, Any]] = field(default_factory=dict)

    def scenarios(self) -> list[str]:
        """The scenarios that this application can have."""
        return [
            name
            for name, scenario in SCENARIOS.items()
            if name not in self.excluded and (scenario.opens is None or name in self.routes)
        ]

    def scenario(self, name: str) -> Scenario:
        """What is asked of this application, and what must be recorded."""
        expected = replace(SCENARIOS[name], **self.differs.get(name, {}))
        route = self.routes.get(name, expected.route or self.routes.get("*", expected.path))
        if name == "many":  # `/many/{n}/{{x}}`, as format strings have it, or as it stands
            route = route.replace("{n}", "999").replace("{{", "{").replace("}}", "}")
        return replace(expected, route=route)

    @property
    def missing(self) -> list[str]:
        """Packages that it imports and that are not installed."""
        tree = ast.parse((APPS / f"{self.module}.py").read_text())
        names = set()
        for node in tree.body:
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                names.add(str(node.module).partition(".")[0])
        here = {path.stem for path in APPS.iterdir()}
        return sorted(one for one in names - here if importlib.util.find_spec(one) is None)


def apps() -> list[App]:
    """All applications on disk; those whose name begins with _ are parts of others."""
    return [read(path) for path in sorted(APPS.glob("[!_]*.py"))]


def read(path: Path) -> App:
    """An application's data, without importing it."""
    found: dict[str, Any] = {}
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            name = node.targets[0].id
            if name in ("SERVERS", "APP", "ROUTES", "EXCEPT", "DIFFERS"):
                found[name] = ast.literal_eval(node.value)
    excluded, differs = found.get("EXCEPT", {}), found.get("DIFFERS", {})
    unknown = {*excluded, *differs, *found["ROUTES"]} - {"*", *SCENARIOS}
    assert not unknown, f"{path.name} names scenarios that are none: {sorted(unknown)}"
    return App(path.stem, found["APP"], found["SERVERS"], found["ROUTES"], excluded, differs)
