"""What the demo's team works on: kinds of tasks as templates, with the names that go into them.

A template names its slots in braces; ``{package}`` is the service as Python names it. Numbers are drawn when it is
filled: ``{few}`` 2–9, ``{some}`` 11–98, ``{many}`` 120–980, ``{lots}`` 12,000–980,000, and ``{hex}``; one with a name
(``{few:failed}``) is the same wherever the template has it.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from msgspec import Struct


class Report(StrEnum):
    """What a kind's result looks like."""

    CHANGE = "change"
    ROWS = "rows"
    FINDINGS = "findings"
    TEXT = "text"


class Kind(Struct, frozen=True, kw_only=True):
    """One kind of task. `area` starts its ids; `text` is the Markdown of its result when `report` is TEXT."""

    name: str
    area: str
    tags: tuple[str, ...]
    titles: tuple[str, ...]
    slots: Mapping[str, tuple[str, ...]]
    description: str
    errors: tuple[str, ...]
    report: Report = Report.CHANGE
    text: str = ""


_SERVICES = (
    "payments",
    "orders",
    "auth",
    "search",
    "mailer",
    "shop",
    "console",
    "billing",
    "media",
    "catalog",
)
_REGIONS = ("eu-west", "eu-north", "us-east", "ap-south")
_DATABASES = ("orders", "customers", "ledger", "catalog", "sessions")

_TESTS_FAILED = (
    "{few:failed} tests failed after the change\n\n"
    "FAILED tests/test_checkout.py::test_partial_refund - AssertionError: assert Decimal('{some:sum}.90') == "
    "Decimal('{some:sum}.91')\n"
    "FAILED tests/test_checkout.py::test_retry_is_idempotent - AssertionError: 2 charges for one order\n"
    "== {few:failed} failed, {many} passed in {some}.42s =="
)
_TYPES_FAILED = (
    "mypy found {few} errors\n\n"
    'src/{package}/handlers.py:{many}: error: Argument "timeout" to "fetch" has incompatible type "str"; '
    'expected "float"  [arg-type]\n'
    'src/{package}/models.py:{some}: error: Item "None" of "Account | None" has no attribute "currency"  [union-attr]'
)
_NO_DISK = "OSError: [Errno 28] No space left on device: '/builds/{hex}/node_modules/.cache'"
_RATE_LIMIT = "HTTP 429 Too Many Requests: model quota used up, retry after {some} s (request {hex})"
_BUDGET = "context budget used up: 200,000 tokens after {some} tool calls, and the change is not complete"
_CONFLICT = (
    "git: could not apply {hex}: CONFLICT (content): Merge conflict in src/{package}/routes.py\n"
    "hint: the branch is {some} commits behind main"
)
_STATEMENT_TIMEOUT = (
    "psycopg.errors.QueryCanceled: canceling statement due to statement timeout\n"
    "  after 300 s in: UPDATE {table} SET {column} = … WHERE {column} IS NULL  ({lots} rows left)"
)
_DEADLOCK = (
    "psycopg.errors.DeadlockDetected: deadlock detected\n"
    "DETAIL: Process {many} waits for ShareLock on transaction {lots}; blocked by process {some}."
)
_UNREACHABLE = "ssh: connect to host bastion.{region}.internal port 22: Connection timed out (3 attempts)"
_NOT_READY = (
    "rollout of {service} not ready after 600 s: {few} of 12 pods Running, the others CrashLoopBackOff (exit 137)"
)
_NO_ACCESS = "403 Forbidden: role agent-runner lacks secrets.rotate on {region}/{service}"

_CODE_ERRORS = (_TESTS_FAILED, _TYPES_FAILED, _NO_DISK, _RATE_LIMIT, _BUDGET, _CONFLICT)
_TEXT_ERRORS = (_RATE_LIMIT, _BUDGET)

KINDS: tuple[Kind, ...] = (
    Kind(
        name="fix",
        area="api",
        tags=("bug", "backend"),
        titles=("Fix {bug} in {service}",),
        slots={
            "bug": (
                "double refunds",
                "an off-by-one in the cursor",
                "due dates across time zones",
                "the refresh and logout race",
                "lost webhooks",
                "VAT on split orders",
                "stale prices",
                "a 500 on empty carts",
                "leaked connections",
                "duplicate mails",
                "the nb-NO fallback",
                "slow worker starts",
            ),
            "service": _SERVICES,
        },
        description="Customers report {bug}. Find the cause in {service}, and fix it with a test that fails without.",
        errors=_CODE_ERRORS,
    ),
    Kind(
        name="feature",
        area="api",
        tags=("feature", "backend"),
        titles=("Add {feature} to {service}",),
        slots={
            "feature": (
                "idempotency keys",
                "cursor paging",
                "request tracing",
                "tenant rate limits",
                "bulk export",
                "soft delete",
                "an audit trail",
                "a health endpoint",
                "partial refunds",
                "signed links",
            ),
            "service": _SERVICES,
        },
        description="{service} needs {feature}. Keep the public interface stable; document what is new.",
        errors=_CODE_ERRORS,
    ),
    Kind(
        name="upgrade",
        area="api",
        tags=("chore", "dependencies"),
        titles=("Upgrade {library} in {service}",),
        slots={
            "library": (
                "OpenSSL to 3.5",
                "Python to 3.13",
                "Django to 5.2",
                "React to 19",
                "PostgreSQL to 18",
                "Node to 24",
            ),
            "service": _SERVICES,
        },
        description="Upgrade {library} in {service}. Read the release notes for what breaks, and run the whole suite.",
        errors=(*_CODE_ERRORS, _NOT_READY),
    ),
    Kind(
        name="tests",
        area="api",
        tags=("tests",),
        titles=("Property tests for {module}", "Steady the flaky tests of {module}"),
        slots={
            "module": (
                "discounts",
                "currencies",
                "imports",
                "sessions",
                "retries",
                "addresses",
                "stock",
                "taxes",
            ),
            "service": _SERVICES,
        },
        description="The tests of {module} miss edge cases and fail now and then. Make them say what must hold.",
        errors=_CODE_ERRORS,
    ),
    Kind(
        name="page",
        area="web",
        tags=("frontend",),
        titles=("Make {page} {quality}",),
        slots={
            "page": (
                "checkout",
                "the order list",
                "settings",
                "search results",
                "the invoice page",
                "sign-in",
            ),
            "quality": (
                "work by keyboard",
                "load in a second",
                "fit 320 pixels",
                "work in dark mode",
                "survive going offline",
                "translatable",
            ),
            "service": ("shop", "console"),
        },
        description="Make {page} in {service} {quality}. Add a browser test, and a picture before and after.",
        errors=_CODE_ERRORS,
    ),
    Kind(
        name="backfill",
        area="data",
        tags=("data", "backfill"),
        titles=("Backfill {table}.{column} for {period}",),
        slots={
            "table": ("orders", "invoices", "payments", "shipments", "customers"),
            "column": (
                "currency",
                "country",
                "net",
                "channel",
                "tax_rate",
            ),
            "period": ("2023", "2024", "Q1", "Q2", "Q3", "March"),
        },
        description="{table}.{column} is empty for rows of {period}. Fill it from the event log in batches of 5,000.",
        errors=(_STATEMENT_TIMEOUT, _DEADLOCK, _RATE_LIMIT),
        report=Report.ROWS,
    ),
    Kind(
        name="import",
        area="data",
        tags=("data", "import"),
        titles=("Import {feed} for {period}", "Clean {feed} of duplicates"),
        slots={
            "feed": ("supplier prices", "bank statements", "carrier invoices", "store returns", "partner leads"),
            "period": ("week 46", "week 47", "October", "November"),
            "table": ("staging.rows",),
            "column": ("source_id",),
        },
        description="Load {feed} for {period}. Reject what does not parse, with the reason; count the rows.",
        errors=(
            "csv: line {lots}: expected 14 fields, saw {some}; the file looks cut off",
            "sftp: file of {period} is not there yet (last seen: {some} hours ago)",
            _DEADLOCK,
        ),
        report=Report.ROWS,
    ),
    Kind(
        name="reconcile",
        area="data",
        tags=("data", "report"),
        titles=("Reconcile {report} with {source}",),
        slots={
            "report": (
                "revenue",
                "open invoices",
                "payouts",
                "stock",
                "refunds",
            ),
            "source": (
                "the ledger",
                "bank data",
                "the warehouse",
                "the gateway",
            ),
        },
        description="Compare {report} with {source}, row by row. List differences over 1.00 with their likely cause.",
        errors=(*_TEXT_ERRORS, "warehouse: table finance.{hex} does not exist; was it renamed on Monday?"),
        report=Report.TEXT,
        text=(
            "## Outcome\n\n{lots} rows of {report} compared with {source}: **99.{some} % agree**, {many} differ.\n\n"
            "| largest causes | rows | amount |\n|---|---:|---:|\n| booked a day later | {some} | {many}.20 |\n"
            "| rounding of split payments | {few} | 0.{some} |\n| no counterpart | {few:alone} | {many}.00 |\n\n"
            "## To decide\n\nThe {few:alone} rows without counterpart need a person: they were entered by hand."
        ),
    ),
    Kind(
        name="pipeline",
        area="data",
        tags=("data", "performance"),
        titles=("Speed up {pipeline}", "Make {pipeline} resumable"),
        slots={
            "pipeline": (
                "the nightly export",
                "the search reindex",
                "the churn features",
                "the invoice run",
                "log compaction",
                "the daily snapshot",
            ),
            "service": ("search", "billing"),
        },
        description="{pipeline} takes hours, and starts anew when it fails. Measure first, then change one thing.",
        errors=(_NO_DISK, _NOT_READY, _BUDGET),
        report=Report.TEXT,
        text=(
            "## What was measured\n\n| stage | before | after |\n|---|---:|---:|\n| read | {some} min | {few} min |\n"
            "| join | {many} s | {some} s |\n| write | {some} min | {few} min |\n\n"
            "The join sorted {lots} rows on disk. An index on `(tenant, day)` takes that away.\n\n"
            "## Risk\n\nThe index costs {many} MB and {few} % of write speed."
        ),
    ),
    Kind(
        name="rotate",
        area="ops",
        tags=("ops", "security"),
        titles=("Rotate {secret} in {region}",),
        slots={
            "secret": (
                "signing keys",
                "database passwords",
                "webhook secrets",
                "TLS certificates",
                "deploy tokens",
            ),
            "region": _REGIONS,
            "service": _SERVICES,
        },
        description="Rotate {secret} of {service} in {region} with both the old and the new valid for a day.",
        errors=(_UNREACHABLE, _NO_ACCESS, _NOT_READY),
        report=Report.TEXT,
        text=(
            "## Done\n\n- [x] new {secret} made and stored in {region}\n- [x] {service} restarted, "
            "{some:calls} of {some:calls} calls pass\n- [x] the old ones end in 24 h\n"
            "- [ ] remove the old ones *(after review)*\n\n"
            "No failed request in {some} minutes of watching."
        ),
    ),
    Kind(
        name="database",
        area="ops",
        tags=("ops", "database"),
        titles=("Test restoring {database}, {region}", "Move {database} to new disks, {region}"),
        slots={"database": _DATABASES, "region": _REGIONS, "service": _SERVICES},
        description="Do it on the standby of {database} first, and write down every command with its time.",
        errors=(
            _UNREACHABLE,
            "pg_basebackup: error: could not receive data from WAL stream: SSL SYSCALL error: EOF detected",
        ),
        report=Report.TEXT,
        text=(
            "## Result\n\nThe standby of **{database}** in {region} is restored and checked; it took {some} min.\n\n"
            "```\nrows compared  {lots}\ndifferences    0\nlag at the end {few} s\n```\n\n"
            "The primary can follow tonight. Way back: promote the old disks (tried, {few} min)."
        ),
    ),
    Kind(
        name="alerts",
        area="ops",
        tags=("ops", "monitoring"),
        titles=("Tune {alert} alerts of {service}", "Explain {alert} alerts of {service}"),
        slots={
            "alert": (
                "latency",
                "backlog",
                "disk",
                "error",
                "memory",
            ),
            "service": _SERVICES,
        },
        description="{alert} alerts of {service} come most nights, and for nothing. What should it watch?",
        errors=(*_TEXT_ERRORS, "metrics: query took more than 60 s; narrow the range (asked for 90 days)"),
        report=Report.TEXT,
        text=(
            "## Why it fires\n\nOf {some} alerts in 30 days, {few:real} needed a person. The others came with the "
            "nightly backup of {service}.\n\n## Proposal\n\n```yaml\nalert: {service}\nfor: 10m\n"
            "unless: backup_running\n```\n\nReplayed over 30 days: {few:real} alerts, none missed."
        ),
    ),
    Kind(
        name="audit",
        area="sec",
        tags=("security",),
        titles=("Triage {scanner} findings of {service}",),
        slots={"scanner": ("library", "container", "secrets", "static"), "service": _SERVICES},
        description="Sort the findings of the {scanner} scan of {service}: real, not reachable, or wrong.",
        errors=(*_TEXT_ERRORS, "scanner: report of {service} is {some} days old; run the scan again first"),
        report=Report.FINDINGS,
    ),
    Kind(
        name="postmortem",
        area="docs",
        tags=("docs", "incident"),
        titles=("Write up {day}'s {incident}",),
        slots={
            "incident": (
                "outage",
                "slow search",
                "mail delay",
                "bad deploy",
                "double billing",
            ),
            "day": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday"),
        },
        description="From the chat log and the metrics: what happened, what people saw, why, and what we change.",
        errors=_TEXT_ERRORS,
        report=Report.TEXT,
        text=(
            "## What people saw\n\nFor {some} minutes on {day}, {few}.{few} % of the requests timed out.\n\n"
            "## Why\n\n1. A deploy doubled the connections to the pool.\n2. The pool had no limit per tenant.\n"
            "3. The alert looked at the mean, not at the slowest.\n\n## What we change\n\n- limit per tenant *(open)*\n"
            "- alert on p99 *(done)*\n- a runbook page *(in review)*"
        ),
    ),
    Kind(
        name="guide",
        area="docs",
        tags=("docs",),
        titles=("Document {topic}", "Test the guide to {topic}"),
        slots={
            "topic": (
                "running it locally",
                "webhook retries",
                "refund rules",
                "the on-call handover",
                "the export format",
                "releases",
                "API versions",
                "permissions",
            ),
        },
        description="A new colleague should understand {topic} in ten minutes. Run every command you write down.",
        errors=_TEXT_ERRORS,
        report=Report.TEXT,
        text=(
            "## What is new\n\nOne page, {many} words, {few} commands, each run on a clean machine.\n\n"
            "## What I found on the way\n\n- the old page named a flag that is gone\n"
            "- step {few} needs a token; it now says where to get one\n\n> A newcomer reads it in {few} minutes."
        ),
    ),
    Kind(
        name="evaluate",
        area="ml",
        tags=("research", "ml"),
        titles=("Compare {models} for {use}", "Measure {use} with {models}"),
        slots={
            "models": (
                "two models",
                "two rerankers",
                "three prompts",
                "embeddings",
            ),
            "use": (
                "routing",
                "search",
                "fraud",
                "invoices",
                "replies",
            ),
        },
        description="Use the fixed set of 1,200 examples of {use}. Report quality, cost and time with 95 % intervals.",
        errors=(*_TEXT_ERRORS, "CUDA out of memory: tried to allocate {few}.{some} GiB (batch of 256)"),
        report=Report.TEXT,
        text=(
            "## {use}: {models}\n\n| variant | right | cost per 1,000 | p95 |\n|---|---:|---:|---:|\n"
            "| A | {some:right}.{few} % | {few}.{some} | {many} ms |\n"
            "| B | {some:right}.{few} % | {few}.{some} | {many} ms |\n\n"
            "The difference is within the noise (n = 1,200). **Take the cheaper one.**\n\n"
            "Where both fail: mixed languages, and scans with stamps over the text."
        ),
    ),
    Kind(
        name="support",
        area="docs",
        tags=("support", "report"),
        titles=("Summarise tickets on {topic}", "Draft replies on {topic}"),
        slots={
            "topic": (
                "late parcels",
                "payments",
                "log-in",
                "invoices",
                "returns",
                "exports",
            )
        },
        description="Group the tickets on {topic} by cause. Quote no personal data. Name the three that need a person.",
        errors=(*_TEXT_ERRORS, "helpdesk: 401 Unauthorized (the token ended {few} hours ago)"),
        report=Report.TEXT,
        text=(
            "## Tickets on {topic}\n\nMost speak of a mail that comes after the customer has written.\n\n"
            "1. mail too late: {many}\n2. status page unclear: {some}\n3. a real fault: {few}\n\n"
            "Three need a person: they mention a lawyer or a deadline."
        ),
    ),
)
"""Every kind, about as often as they are drawn."""

REJECTIONS = (
    "No test for the empty case; please add one",
    "The migration locks the whole table; split it in two steps",
    "Good, but the numbers in the summary do not match the table",
    "Please keep the old field for one release",
    "This changes the public interface; ask before you do that",
    "The cause is right, the fix only hides it",
    "Say where the figures come from",
)
RETRIES = ("Quota is back", "Disk cleaned up, again please", "Access granted", "Looks like a flake; once more", None)
APPROVALS = ("Checked and merged", "Matches what I see", "Good work", None, None, None)
URGENT = "A customer waits for this"
GIVEN_BACK = "Needs a tool I do not have here; giving it back"
