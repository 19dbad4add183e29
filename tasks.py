"""The table of contents of modelyard: `./invoke --list`, `./invoke --help TASK`. Every body is one call."""

from modelyard.console import command

# --- The yard: one person's running platform ---------------------------------------------------------------------


@command(help={"ports": "first port of the block of 20, or auto", "plan": "print what would be done, and do nothing"})
def up(context, ports="", plan=False):
    """Bring the yard up or repair it; ends when every service has answered."""
    from modelyard.yard import commands

    commands.up(ports=ports, plan=plan)


@command()
def down(context):
    """Take the yard down: no process and no port is left, the data stays."""
    from modelyard.yard import commands

    commands.down()


@command(help={"yes": "do not ask"})
def reset(context, yes=False):
    """Take the yard down and forget its data; asks first."""
    from modelyard.yard import commands

    return commands.reset(yes=yes)


@command(help={"json": "one JSON object"})
def status(context, json=False):
    """Show every service with its address, process and memory."""
    from modelyard.yard import commands

    return commands.status(json=json)


@command(help={"json": "one JSON object", "docker": "look at Docker too"})
def doctor(context, json=False, docker=False):
    """Find what can go wrong on this machine, and say how to mend it with a command to paste."""
    from modelyard.doctor import commands

    return commands.doctor(json=json, docker=docker)


@command(
    words=("service",),
    help={"service": "one service", "follow": "go on", "lines": "how many"},
)
def logs(context, service="", follow=False, lines=50):
    """Show the end of the services' logs."""
    from modelyard.yard import commands

    return commands.logs(service, follow=follow, lines=lines)


@command(words=("name",), help={"name": "a service or an InferenceService; without it the worst thing of the yard"})
def why(context, name=""):
    """Say why something does not work: its condition, events, the log line that matters, the next command."""
    from modelyard.why import commands

    return commands.why(name)


@command(
    name="break",
    words=("kind",),
    help={
        "kind": "replica, store, model, data or monitor",
        "how": "in which way; docs/lessons.md",
        "name": "of the InferenceService",
    },
)
def break_(context, kind="", how="", name=""):
    """Break one thing on purpose, for a lesson; mend undoes it."""
    from modelyard.faults import commands

    commands.break_(kind, how=how, name=name)


@command(words=("kind",), help={"kind": "replica, store, model, data or monitor; without it everything"})
def mend(context, kind=""):
    """Undo what break has done."""
    from modelyard.faults import commands

    commands.mend(kind)


@command(name="open", words=("service",), help={"service": "one service"})
def open_(context, service=""):
    """Print the pages of the yard, and open them where there is a browser."""
    from modelyard.yard import commands

    commands.open_pages(service)


@command()
def env(context):
    """Print shell exports: eval "$(./invoke env)" lets kubectl, mlflow and dvc find the yard."""
    from modelyard.yard import commands

    commands.env()


@command(
    words=("program",),
    help={
        "program": "one program; without a name those that a yard is made of",
        "all": "every program that is pinned",
        "to": "do not install: fill a folder that is a mirror for a class",
        "platforms": "with --to: linux-amd64,linux-arm64,darwin-arm64",
    },
)
def fetch(context, program="", all=False, to="", platforms=""):
    """Fetch the programs of a yard beforehand, or fill a mirror (a USB stick) for a class."""
    from modelyard.toolbox import commands

    return commands.fetch(program, everything=all, to=to, platforms=platforms)


# --- The story: from a data version to a watched model, at once or step by step ----------------------------------


@command(
    help={
        "fast": "as few flights as the claims need",
        "pause": "wait for Enter between chapters",
        "only": "one chapter, on a yard that is up",
    }
)
def demo(context, fast=False, pause=False, only=""):
    """Tell the whole story, from data to recovery; ends with a report and says whether every claim held."""
    from modelyard.story import commands

    return commands.demo(fast=fast, pause=pause, only=only)


@command(words=("version",), help={"version": "as in params.yaml: v1, v2"})
def data(context, version="v1"):
    """Make a data version: bytes to the store, md5 and tag to Git."""
    from modelyard.story import commands

    commands.data(version)


@command(iterable=["param"], help={"param": "NAME=VALUE in place of params.yaml's; as often as needed"})
def train(context, param):
    """Train with dvc repro, register the model, ask the gate; what passes becomes @staging."""
    from modelyard.story import commands

    return commands.train(param)


@command(help={"version": "number or alias", "why": "the reason, for the audit trail"})
def promote(context, version="staging", why=""):
    """Move @production to a version, and serve it."""
    from modelyard.story import commands

    commands.promote(version, why)


@command(help={"phase": "heldout, july, august or september", "rows": "how many flights"})
def predict(context, phase="july", rows=5):
    """Ask the served model about a few flights."""
    from modelyard.story import commands

    commands.predict(phase, rows)


@command(
    help={
        "percent": "share of the traffic",
        "rows": "flights to send at most",
        "phase": "which flights",
        "roll-back": "only end a canary that is under way",
    }
)
def canary(context, percent=10, rows=8000, phase="august", roll_back=False):
    """Give @staging a part of the traffic, judge it, then promote or roll back."""
    from modelyard.story import commands

    return commands.canary(percent=percent, rows=rows, phase=phase, roll_back=roll_back)


@command(words=("model",), help={"model": "registered model"})
def lineage(context, model="flights"):
    """Print the chain from the data to the endpoint, and back."""
    from modelyard.story import commands

    commands.lineage(model)


# --- Load: what serving holds under traffic -----------------------------------------------------------------------


@command(
    words=("test",),
    iterable=["slo"],
    help={
        "test": "autoscale, canary, zero or drift",
        "name": "an InferenceService that is there, in place of one of the test's own",
        "body": "with --name: JSON file of what is sent",
        "fast": "the shortest form",
        "slo": "OBJECTIVE=VALUE in place of the test's own limit; as often as needed",
    },
)
def load(context, slo, test="", name="", body="", fast=False):  # noqa: PLR0917 - Invoke reads them
    """Run a load test: progress, a verdict table, CSV, HTML and a chart; fails when its SLO is missed."""
    from modelyard.load import commands

    return commands.load(test, name=name, body=body, fast=fast, slo=slo)


@command(words=("name",), help={"name": "xgboost, lightgbm, onnx or all"})
def add_format(context, name):
    """Install what a model format needs that is not there from the start."""
    from modelyard import formats

    formats.add(name)


# --- The code: how it is kept -------------------------------------------------------------------------------------


@command(
    help={
        "only": "unit, service, e2e or smoke; several with commas",
        "select": "as pytest's -k",
        "lanes": "how many run at a time; 1 shows pytest's output as it comes",
    }
)
def test(context, only="", select="", lanes=""):
    """Run the linters and all tests, and the unit tests on a second Python."""
    from modelyard import quality

    quality.test(only=only, select=select, width=lanes)


@command(words=("what",), help={"what": "dashboards, in place of the code"})
def check(context, what=""):
    """Run the linters; or check dashboards: files, what arrived in Grafana, every panel's queries."""
    from modelyard import quality

    quality.check(what)


@command()
def pictures(context):
    """Tell the fast story in a yard of its own, and take the board's pictures for the docs meanwhile."""
    from modelyard.board import pictures

    pictures.take()


@command()
def lock(context):
    """Resolve requirements.lock anew from the dependency groups."""
    from modelyard import quality

    quality.lock()
