"""The lower half of the service's dashboard: time by phase, saturation, store, processes."""

from typing import Final

from rakuten.observability.boards.shared import UP_WORDS, limits
from rakuten.observability.panels import ORANGE, RED, Column, Panel, Query

_HERE: Final = 'instance=~"$instance"'
_API: Final = f'job="api", {_HERE}'


def _rate(metric: str, matchers: str = _HERE) -> str:
    return f"rate({metric}{{{matchers}}}[$__rate_interval])"


PHASES = Panel(
    title="Time by phase",
    what="Mean time that a prediction spends in each phase; together about its whole time.",
    good="Steady, most of it in decode and encode where there are photos.",
    action="queue: too few processes. store: the database. decode, encode: larger photos.",
    unit="s",
    kind="timeseries",
    targets=(
        Query(
            f"sum by (phase) ({_rate('rakuten_phase_duration_seconds_sum')}) / "
            f"sum by (phase) ({_rate('rakuten_phase_duration_seconds_count')}) >= 0",
            "{{phase}}",
        ),
    ),
    width=8,
    alerts=("RakutenLatencyBurn",),
    shown="stacked",
    minimum=0,
)
SPREAD = Panel(
    title="Spread of latency",
    what="How many predictions a second took how long.",
    good="One dark band well under 0.5 s.",
    action="A second band is another kind of request: photos, batches, one slow process.",
    unit="s",
    kind="heatmap",
    targets=(
        Query(
            "sum by (le) (rate(rakuten_request_duration_seconds_bucket"
            f'{{route="/v1/predict", {_HERE}}}[$__rate_interval]))',
            "{{le}}",
            exemplars=True,
        ),
    ),
    width=8,
    alerts=("RakutenLatencyBurn",),
)
ROUTES = Panel(
    title="Requests by route",
    what="Requests a second by route, whatever came of them.",
    good="Mostly predictions, with the shape of the day.",
    action="One route alone grew: ask who calls it; keys have limits of their own.",
    unit="reqps",
    kind="timeseries",
    targets=(Query(f"sum by (route) ({_rate('rakuten_requests_total')})", "{{route}}"),),
    width=8,
    shown="stacked",
    minimum=0,
)
COSTS: Final = (PHASES, SPREAD, ROUTES)

QUEUE = Panel(
    title="Queue by lane",
    what="Products that wait or are under way, as a share of the lane's limit.",
    good="Near 0 %, with short peaks.",
    action="Above 80 % requests are about to be refused: start another process.",
    unit="percentunit",
    kind="timeseries",
    targets=(
        Query(
            f"max by (lane) (rakuten_queue_products{{{_HERE}}} / "
            f"rakuten_queue_limit_products{{{_HERE}}})",
            "{{lane}}",
        ),
    ),
    width=6,
    alerts=("RakutenOverloaded",),
    thresholds=limits((0.8, RED)),
    limit_lines=True,
    minimum=0,
    maximum=1,
)
LANES = Panel(
    title="Lanes busy",
    what="Share of the time that each lane computed, the mean of all processes.",
    good="Under 70 %: room for a peak.",
    action="Near 100 % a lane is the limit: start another process.",
    unit="percentunit",
    kind="timeseries",
    targets=(Query(f"avg by (lane) ({_rate('rakuten_lane_busy_seconds_total')})", "{{lane}}"),),
    width=6,
    alerts=("RakutenOverloaded",),
    thresholds=limits((0.7, ORANGE)),
    limit_lines=True,
    minimum=0,
)
BATCHES = Panel(
    title="Products a batch",
    what="How many products were answered together, on average, by lane.",
    good="1 with little traffic; it grows with load, which saves time.",
    action="Nothing of itself; at the lane's limit look at “Lanes busy”.",
    unit="none",
    kind="timeseries",
    targets=(
        Query(
            f"sum by (lane) ({_rate('rakuten_batch_products_sum')}) / "
            f"sum by (lane) ({_rate('rakuten_batch_products_count')}) >= 0",
            "{{lane}}",
        ),
    ),
    width=6,
    minimum=0,
    decimals=1,
)
CPU = Panel(
    title="Processors used",
    what="Seconds of processor time a second, by process: 1 is one core.",
    good="Under the cores that the process may use.",
    action="At its limit: more processes, or more cores for the container.",
    unit="none",
    kind="timeseries",
    targets=(Query(_rate("process_cpu_seconds_total", _API), "{{instance}}"),),
    width=6,
    minimum=0,
    decimals=2,
)
MEMORY = Panel(
    title="Memory",
    what="Resident memory, by process.",
    good="Flat after the first minutes; a swap of the model raises it for moments.",
    action="If it climbs for hours, keep the log, restart the process, and report it.",
    unit="bytes",
    kind="timeseries",
    targets=(Query(f"process_resident_memory_bytes{{{_API}}}", "{{instance}}"),),
    width=6,
    minimum=0,
)
FILES = Panel(
    title="Open files",
    what="Open files and connections as a share of what the process may have.",
    good="A few per cent, flat.",
    action="If it climbs, connections are not closed: see the proxy in front, then restart.",
    unit="percentunit",
    kind="timeseries",
    targets=(Query(f"process_open_fds{{{_API}}} / process_max_fds{{{_API}}}", "{{instance}}"),),
    width=6,
    thresholds=limits((0.8, RED)),
    minimum=0,
)
SATURATION: Final = (QUEUE, LANES, BATCHES, CPU)

STORE = Panel(
    title="Store, by process",
    what="Whether each process could write to the database.",
    good="up, throughout.",
    action="Away everywhere: the database. Away in one process: its network or its address.",
    unit="none",
    kind="state-timeline",
    targets=(Query(f"rakuten_store_up{{{_HERE}}}", "{{instance}}"),),
    width=6,
    alerts=("RakutenStoreAway",),
    words=UP_WORDS,
)
SPOOL = Panel(
    title="Records in the spool",
    what="Answers on the process's own disk that wait for the database.",
    good="0, but for moments; after an outage it falls steadily.",
    action="Growing: the store is away or too slow. Nothing is lost until it is full.",
    unit="short",
    kind="timeseries",
    targets=(Query(f"rakuten_spool_records{{{_HERE}}}", "{{instance}}"),),
    width=6,
    alerts=("RakutenSpoolGrowing", "RakutenSpoolNearlyFull"),
    minimum=0,
)
STORING: Final = (STORE, SPOOL, MEMORY, FILES)

PROCESSES = Panel(
    title="Processes of the service",
    what="Every process that Prometheus knows: reached, version, since when it runs.",
    good="All up, all of one version.",
    action="One is away or started again and again: its log says why.",
    unit="none",
    kind="table",
    targets=(
        Query('max by (instance) (up{job="api"})', instant=True),
        Query('max by (instance, version, python) (rakuten_build_info{job="api"})', instant=True),
        Query('time() - max by (instance) (process_start_time_seconds{job="api"})', instant=True),
        Query('max by (instance) (rakuten_spool_bytes{job="api"})', instant=True),
    ),
    width=24,
    alerts=("RakutenServiceDown",),
    columns=(
        Column("instance", "Process"),
        Column("Value #A", "Reached", words=UP_WORDS),
        Column("version", "Version"),
        Column("python", "Python"),
        Column("Value #C", "Runs for", "s"),
        Column("Value #D", "Spool", "bytes"),
    ),
)
