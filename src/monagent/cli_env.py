"""`monagent env`: the variables that adopt a program without `monagent run` in front of it."""

from __future__ import annotations

import json
import os
import shlex
import sys

from monagent import launcher, options

FORMS = ("--shell", "--docker", "--kubernetes")


def main(arguments: list[str]) -> int:
    """Print the variables for a Dockerfile, a shell or Kubernetes; plain NAME=value otherwise."""
    forms = [word for word in arguments if word in FORMS]
    try:
        given, rest = options.split([word for word in arguments if word not in FORMS])
        if rest:
            raise options.Wrong(f"found {rest[0]!r}, expected {', '.join(FORMS)} or options")
        if len(forms) > 1:
            raise options.Wrong(f"found {' and '.join(forms)}, expected one of them")
    except options.Wrong as error:
        print(f"monagent env: {error}", file=sys.stderr)
        return 2
    form = forms[0] if forms else ""
    print("\n".join(lines(form, variables(form, given))))
    return 0


def variables(form: str, given: dict[str, str]) -> dict[str, str]:
    """What to set: the bootstrap folder, what the options stand for, what is set already."""
    wanted: dict[str, str] = {}
    launcher.adopt(wanted)
    if form in ("--docker", "--kubernetes"):
        wanted["MONAGENT_HOST"] = "0.0.0.0"  # A container's own loopback can't be scraped.
    for name, value in os.environ.items():
        if name.startswith("MONAGENT_") and name != "MONAGENT_DIR":
            wanted[name] = value
    return {**wanted, **given}


def lines(form: str, wanted: dict[str, str]) -> list[str]:
    """The variables in the words of that form."""
    if form == "--docker":
        return [f"ENV {name}={_docker(value)}" for name, value in wanted.items()]
    if form == "--kubernetes":
        made = ["env:"]
        for name, value in wanted.items():
            made += [f"  - name: {name}", f"    value: {_kubernetes(value)}"]
        return made
    if form == "--shell":
        return [f"export {name}={_shell(name, value)}" for name, value in wanted.items()]
    return [f"{name}={value}" for name, value in wanted.items()]


def _kubernetes(value: str) -> str:
    """Letters as they are: YAML has no pairs of \\u. Kubernetes itself expands $(NAME), and makes
    one $ of two."""
    return json.dumps(value, ensure_ascii=False).replace("$", "$$")


def _docker(value: str) -> str:
    return json.dumps(value, ensure_ascii=False).replace("$", "\\$")


def _shell(name: str, value: str) -> str:
    if name == "PYTHONPATH":  # What the user has there stays, behind ours.
        return shlex.quote(value) + '"${PYTHONPATH:+:$PYTHONPATH}"'
    return shlex.quote(value)
