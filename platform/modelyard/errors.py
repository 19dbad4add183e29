"""The tree of errors that a person may see: what happened, to what, what is allowed, and the next command to type.

docs/troubleshooting.md is made from this tree: the docstring says what an error means, `cause` how one gets there,
`remedy` what to do, `next` the command that is told where the place that raises it knows no better one. A direct child
of YardError begins a section of that page.
"""

from __future__ import annotations

from typing import ClassVar

PAGE = "docs/troubleshooting.md"


class YardError(Exception):
    """Something that can go wrong in a classroom; printed as lines, never as a stack trace.

    Args:
        what: what happened and to what, with the value that was met.
        allowed: what would have been right, where that helps.
        next_command: a command that can be pasted; without one, that of the class.
        detail: the last answer of a probe, the tail of a log, or a path to one.
    """

    exit_code = 1
    cause: ClassVar[str] = ""
    remedy: ClassVar[str] = ""
    next: ClassVar[str] = "./invoke doctor"

    def __init__(self, what: str, *, allowed: str = "", next_command: str = "", detail: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.allowed = allowed
        self.next_command = next_command or self.next
        self.detail = detail

    @classmethod
    def page(cls) -> str:
        """Where this kind of error is explained."""
        return f"{PAGE}#{cls.__name__.lower()}"

    def lines(self) -> list[str]:
        """The error as it is printed, one line an item."""
        told = [f"error: {self.what}"]
        if self.allowed:
            told.append(f"  allowed: {self.allowed}")
        if self.detail:
            told.extend(f"  {line}" for line in self.detail.rstrip().splitlines())
        if self.next_command:
            told.append(f"  next: {self.next_command}")
        return told

    def __str__(self) -> str:
        return "\n".join(self.lines())


class SettingError(YardError):
    """A setting or an option has a value that is not allowed."""

    exit_code = 2
    cause = "An environment variable `MODELYARD_...`, or an option of a task, holds something that cannot be meant."
    remedy = "The message names the variable or option, its value and what is allowed. docs/settings.md lists them all."
    next = "env | grep MODELYARD_"


class OptionInvalid(SettingError):
    """An option of a task is not one that it can work with."""

    cause = "A value is missing or of the wrong form, such as `--param` without `=`, or a promotion without its reason."
    remedy = "Type the command again in the form that the line `allowed` shows."
    next = "./invoke --list"


class NameUnknown(SettingError):
    """There is nothing of the name that was typed."""

    cause = "A typing error: chapters, services, load tests, formats and data versions have fixed names."
    remedy = "Take one of the names in the line `allowed`."
    next = "./invoke --list"


class YardNotUp(YardError):
    """A command needs a yard that is up, and it is not."""

    cause = "`up` was not called yet, the yard was taken down, or `MODELYARD_NAME` names another one."
    remedy = "Bring it up. After a restart of the machine a yard is down, and its data are still there."
    next = "./invoke up"


class YardBusy(YardError):
    """Somebody else works on this yard at this moment: another terminal, or a command that still runs."""

    cause = "Two commands that change the same yard were started at once."
    remedy = (
        "Wait for the other one to end, or use a yard of your own: `MODELYARD_NAME=other ./invoke up --ports auto`."
    )
    next = "./invoke status"


class StoryUnderWay(YardBusy):
    """A story, a canary or a load test that counts flights runs on this yard already."""

    cause = "`demo` or `canary` runs in another terminal; two at a time would count each other's flights."
    remedy = "Let it end, or stop it with Ctrl-C in its terminal."
    next = "./invoke status"


class FileDamaged(YardError):
    """A file of the yard cannot be read."""

    cause = "The disk was full, the machine lost power, or the file was edited by hand."
    remedy = "Move the file away and bring the yard up again; if that does not help, make the yard anew with `reset`."
    next = "./invoke why"


class FileNewer(YardError):
    """A file of the yard was written by a newer modelyard than this one."""

    cause = "The checkout went back to an earlier commit, or two checkouts share one yard."
    remedy = "Use the newer checkout, or a yard of another name."
    next = "git pull"


class PortTaken(YardError):
    """A port of the yard's block is held by a program that is not of this yard."""

    cause = "Another program, another person's yard, or a yard of another checkout listens on 7600 to 7619."
    remedy = "Take another block of ports, or end the program that the message names."
    next = "./invoke up --ports auto"


class ProgramMissing(YardError):
    """A pinned program is neither on the machine nor to be had."""

    cause = "Prometheus and Alertmanager are fetched at the first `up`, and the network did not let them through."
    remedy = (
        "Fetch them where there is network, set a mirror (docs/classroom.md), or install them so that they are on PATH."
    )
    next = "./invoke doctor"


class BrowserMissing(ProgramMissing):
    """There is no Chromium or Chrome that could draw the board without a window."""

    cause = "Pictures and browser tests need one; the board itself opens in any browser."
    remedy = "Install Chromium or Chrome (Debian, Ubuntu: `apt install chromium`), or name one in `MODELYARD_BROWSER`."
    next = "./invoke open"


class DownloadFailed(ProgramMissing):
    """A program could not be downloaded: no network, a proxy, a server that refuses, or a file that ended early."""

    cause = "The address is blocked, slow or gone. A part that arrived is kept; the next try goes on where it ended."
    remedy = "Try again; behind a proxy set `HTTPS_PROXY`; in a class set `MODELYARD_MIRROR` (docs/classroom.md)."
    next = "./invoke fetch"


class FileGone(DownloadFailed):
    """A server or a mirror does not have the file of a program."""

    cause = "The mirror was made for another version or another kind of machine, or the publisher removed the file."
    remedy = "Make the mirror anew (`./invoke fetch --to FOLDER`), or unset MODELYARD_MIRROR where there is a network."
    next = "env | grep MODELYARD_MIRROR"


class ChecksumDiffers(ProgramMissing):
    """A file that was downloaded is not the one that is pinned; it was not installed."""

    cause = (
        "A proxy or a login page answered in the publisher's place, a mirror is out of date, or the file was altered."
    )
    remedy = "Compare the two sums in the message. Never use the file; fetch it again over another network or mirror."
    next = "./invoke fetch"


class ServiceFailed(YardError):
    """A service of the yard did not start or did not stay."""

    cause = "Its log says why: the message shows the last lines. Often memory, disk or a file that cannot be written."
    remedy = (
        "Mend what the lines name, then `up` again: it repairs only what is broken. On a slow machine a second `up`"
    )
    remedy += " or a larger MODELYARD_UP_DEADLINE_S helps."
    next = "./invoke why"


class ServiceUnreachable(ServiceFailed):
    """A service of the yard does not answer at this moment."""

    cause = "It is down, it is just starting, or the machine is so busy that it does not get to answer."
    remedy = (
        "Look what is wrong with it. A service that died comes back by itself within seconds; else bring the yard up."
    )
    next = "./invoke why"


class RequestRefused(ServiceFailed):
    """A service answers, and says no to what it was asked."""

    cause = "It was asked for something that is not there, or in a form that this version does not know."
    remedy = "The message holds its own words."
    next = "./invoke why"


class ProcessNotEnded(YardError):
    """A process of the yard did not end, not even when it was killed."""

    cause = (
        "It hangs in the kernel, mostly because of a disk or network folder that does not answer, or it is not yours."
    )
    remedy = "Wait a minute and try again; else restart the machine. The yard's data stay."
    next = "./invoke down"


class WaitTimeout(YardError):
    """A condition did not hold within its deadline."""

    cause = "The machine is slower or busier than the deadline allows, or what was waited for is broken."
    remedy = (
        "Look at the last answer in the message; on a slow machine raise MODELYARD_UP_DEADLINE_S or READY_DEADLINE_S."
    )
    next = "./invoke why"


class DeployFailed(YardError):
    """An InferenceService did not become what was asked for."""

    cause = (
        "The model does not load, its files are not there, or the InferenceService asks for what this machine has not."
    )
    remedy = "The conditions and the last events say which; `why` shows both with the log line that matters."
    next = "./invoke why flights"


class ApiUnreachable(DeployFailed, ConnectionError):
    """The Kubernetes API does not answer.

    As an OSError it is "not yet" to whoever waits.
    """

    cause = "The yard is down or the service `serving` is just being started anew."
    remedy = "Look what is wrong with it; what is deployed goes on answering meanwhile."
    next = "./invoke why serving"


class InferenceServiceAbsent(DeployFailed):
    """There is no such InferenceService, or it has no address yet."""

    cause = "Nothing was promoted yet, it was deleted, or it lives in another namespace."
    remedy = "See which there are; the first one comes with a promotion."
    next = "./invoke status"


class CanaryRefused(DeployFailed):
    """A canary cannot begin, or it began and was rolled back."""

    cause = "There is no stable version yet, a canary is under way already, or the new version did not get ready."
    remedy = "One canary at a time: roll the old one back, or promote a first version."
    next = "./invoke canary --roll-back"


class PredictionFailed(ServiceFailed):
    """An InferenceService answered a prediction with an error."""

    cause = "No replica is ready, the model raised an error, or a row does not have the columns of the signature."
    remedy = "The answer is in the message; the replica's log has the trace."
    next = "./invoke why flights"


class TrafficMissing(YardError):
    """Fewer predictions reached the drift monitor than a chapter or a load test needs."""

    cause = "The payload logger or the monitor was away, or another version answered."
    remedy = "Look at the monitor, then tell the chapter again."
    next = "./invoke why monitor"


class RegistryError(YardError):
    """MLflow's registry has not, or does not take, what was asked for."""

    cause = "A version, alias or run is not there, or MLflow said no; the message holds its words."
    remedy = "See what there is in MLflow's page (`./invoke open mlflow`), or train a new version."
    next = "./invoke train"


class VersionUnusable(RegistryError):
    """A run or a version cannot be served: it holds no model, no digest, no signature, or lies outside of the store."""

    cause = "It was logged by other code than `./invoke train`, or the training was stopped half-way."
    remedy = "Train again, or register the run through modelyard."
    next = "./invoke train"


class ModelChanged(RegistryError):
    """The files of a registered version are not those that were registered; it is not used."""

    cause = "Somebody changed files in the object store, or `break model` is in force."
    remedy = "Undo what was broken on purpose, else train a new version."
    next = "./invoke mend"


class DataMissing(RegistryError):
    """The data of a version are not in the store, or are not what the run says."""

    cause = "The data version was never pushed, the store was emptied, or `break data` is in force."
    remedy = "Undo what was broken on purpose, or make the data version again: it is pushed where it is missing."
    next = "./invoke data"


class DataVersionFixed(RegistryError):
    """A data version would change after it was tagged, which it never does."""

    cause = "The workspace's flights.py or the months in params.yaml were edited under an old name."
    remedy = "Give the new data a new name in params.yaml (data.months)."
    next = "./invoke data v2"


class GateRefused(YardError):
    """The quality gate or the canary judge says no."""

    cause = "The version is worse than the one that is served, or it was never judged. This is the gate doing its work."
    remedy = "Read the reason in the message; train on better data or with other parameters."
    next = "./invoke train"


class MonitoringConfigInvalid(YardError):
    """A version's monitoring.json cannot be used; the version is then counted only."""

    cause = "The file that training logs beside the model was edited, and a value is not allowed."
    remedy = "Mend the values that the message names in the workspace, and train again."
    next = "./invoke train"


class StoryOutOfOrder(YardError):
    """A chapter needs what an earlier chapter makes."""

    cause = "`demo --only` was called on a yard where the chapters before it were not told."
    remedy = "Tell the chapter that the message names first, or the whole story."
    next = "./invoke demo"


class CommandFailed(YardError):
    """A program that was run for the person ended with an error."""

    cause = "Its last lines are in the message: git, dvc, Locust, pytest or an installer."
    remedy = "Read them; the command can be pasted and tried by hand."
    next = "./invoke doctor"


class InstallFailed(CommandFailed):
    """Python packages could not be installed."""

    cause = "The package registry is not reachable, the disk is full, or a proxy altered a package (its hash differs)."
    remedy = "Behind a mirror set `PIP_INDEX_URL`, behind a proxy `HTTPS_PROXY`; then type the command again."
    next = "./invoke doctor"


class DashboardsIncomplete(YardError):
    """A dashboard's file is not sound, something has not arrived in Grafana, or a panel's query is not answered."""

    cause = (
        "A dashboard was edited without `python dashboards/build.py`, or Grafana or Prometheus is not as `up` made it."
    )
    remedy = "Every finding is printed before this line; `./invoke up` provisions Grafana anew."
    next = "./invoke check dashboards"


class PicturesMissing(YardError):
    """A picture of the board could not be taken, or is too large for the docs."""

    cause = "The story did not come to the moment that the picture shows: an alert about drift, or a canary."
    remedy = "Look at the story by itself; a slow machine may pass by a moment before its picture is taken."
    next = "./invoke demo --fast"


class FaultInForce(YardError):
    """A fault of this kind was made on purpose already, and is still in force."""

    cause = "`break` was called twice for the same kind; a second one would make the first hard to undo."
    remedy = "Undo the first one, or break something else."
    next = "./invoke mend"


class FaultNotMade(YardError):
    """A fault on purpose could not be made or undone, because the yard is not as it needs it."""

    cause = "There is nothing to break yet, or something is wrong already: a lesson begins with a yard that is well."
    remedy = "Ask `why` for what is wrong, mend that, and try again."
    next = "./invoke why"


class MachineError(YardError):
    """The machine did not let modelyard do something."""

    cause = "The operating system refused; the message holds its words and the file."
    remedy = "Let the doctor look at the machine."
    next = "./invoke doctor"


class DiskFull(MachineError):
    """The disk is full, or a quota is used up."""

    cause = "A yard with its environment takes about 3 GB, and reports and data grow with use."
    remedy = "Free some space and type the command again. What was acknowledged before is still there."
    next = "df -h ~ /tmp"


class AccessDenied(MachineError):
    """A file or folder may not be read or written."""

    cause = "It belongs to root after a `sudo`, the folder is read-only, or a guard program holds it."
    remedy = "Make it yours again, or put the yard somewhere else: `MODELYARD_STATE_DIR`, `MODELYARD_CACHE_DIR`."
    next = "ls -ld ~/.local/state/modelyard ~/.cache/modelyard"


class TooManyOpenFiles(MachineError):
    """The limit of open files is reached."""

    cause = "The shell's limit is low (on a Mac 256); a yard under load needs a few thousand."
    remedy = "Raise it in this terminal and bring the yard up again."
    next = "ulimit -n 8192; ./invoke up"


class OutOfMemory(MachineError):
    """There was not enough memory."""

    cause = "A yard under load takes about 3 GB; browsers and other yards take theirs."
    remedy = "Close what you do not need, then type the command again."
    next = "./invoke status"


class MachineNotFit(MachineError):
    """The machine is not yet fit for a yard: the quick examination before `up` found what would stop it."""

    cause = "Something of the machine or of the shell is in the way: the message says what, and what it would break."
    remedy = "Paste the command of the message, then look whether there is more to mend."
    next = "./invoke doctor"


class ConnectionFailed(MachineError):
    """A connection could not be made or broke off."""

    cause = "A service of the yard went away in the middle of an answer, or a proxy stands between you and 127.0.0.1."
    remedy = "Look at the yard; set `NO_PROXY=127.0.0.1,localhost` where a proxy is set."
    next = "./invoke why"


class AnswerUnreadable(MachineError):
    """An answer or a file is not what it should be: no JSON, or cut off."""

    cause = "Another program answers at that address, or a file was cut off by a full disk."
    remedy = "Look at the yard, and at the place that the message names."
    next = "./invoke why"


class Unexpected(YardError):
    """A fault in modelyard itself, or something that nobody thought of."""

    cause = "The trace is in the file that the message names; nothing of it is needed to go on."
    remedy = (
        "Type the command again. If it comes again, hand the file to your workshop leader or open an issue with it."
    )
    next = "./invoke doctor"
