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


@command(
    positional=["service"],
    optional=["service"],
    help={"service": "one service", "follow": "go on", "lines": "how many"},
)
def logs(context, service="", follow=False, lines=50):
    """Show the end of the services' logs."""
    from modelyard.yard import commands

    return commands.logs(service, follow=follow, lines=lines)


@command(name="open", positional=["service"], optional=["service"], help={"service": "one service"})
def open_(context, service=""):
    """Print the pages of the yard, and open them where there is a browser."""
    from modelyard.yard import commands

    commands.open_pages(service)


@command()
def env(context):
    """Print shell exports: eval "$(./invoke env)" lets kubectl, mlflow and dvc find the yard."""
    from modelyard.yard import commands

    commands.env()
