"""Queries as text: what they read, what is wrong with them, their variables."""

import pytest

from rakuten.errors import ConfigurationError
from rakuten.observability.expressions import concrete, faults, metric_names


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("up", {"up"}),
        ('sum by (instance, job) (rate(a_total{job="api"}[5m]))', {"a_total"}),
        ("sum(rate(a_total[5m])) by (instance)", {"a_total"}),
        ("a / on (instance) group_left (version) b_info", {"a", "b_info"}),
        ("a / ignoring (lane) group_left b", {"a", "b"}),
        ('{__name__="up", job="api"}', {"up"}),
        ('a{path="rate(b[5m])", le="{c}"}', {"a"}),
        ("a and on () b unless c or d", {"a", "b", "c", "d"}),
        ("rakuten:requests:error_ratio_rate5m > bool 1e3", {"rakuten:requests:error_ratio_rate5m"}),
        ("max_over_time((sum(a) * b)[30d:5m]) offset 1h", {"a", "b"}),
        ("a offset 5m < -Inf", {"a"}),
        ("time() - (max(a_seconds) > 0)", {"a_seconds"}),
        ('label_replace(a, "x", "${1}xx", "status", "(.)..")', {"a"}),
        ('rate(a_total{instance=~"$instance"}[$__rate_interval])', {"a_total"}),
        ("count_values by (version) ('v', build)", {"build"}),
        ("topk(3, sum without (le) (a_bucket))", {"a_bucket"}),
        ("vector(0)", set()),
    ],
)
def test_only_metrics_are_named(query: str, names: set[str]) -> None:
    assert metric_names(query) == names


@pytest.mark.parametrize(
    ("query", "fault"),
    [
        ("  ", "empty"),
        ("sum(a", "A ( is not closed"),
        ("sum(a))", "A ) closes"),
        ("sum(a]", "A ] closes"),
        ('a{b="c}', "does not end"),
        ("rate(a_total)", "has no range"),
        ("sum(increase(a_total))", "has no range"),
        ("rate(process_open_fds[5m])", "no counter"),
        ("rate(sum(a_total)[5m:])", "no counter"),
        ("irate({job='api'}[5m])", "no counter"),
    ],
)
def test_what_is_wrong_with_a_query_is_said(query: str, fault: str) -> None:
    assert fault in "\n".join(faults(query))


@pytest.mark.parametrize(
    "query",
    [
        "rate(a_total[5m])",
        "histogram_quantile(0.9, sum by (le) (rate(a_bucket[5m])))",
        "rate(a_sum[1m]) / rate(a_count[1m])",
        "deriv(process_open_fds[5m])",
        'increase(a_total{route=~"/v1/(a|b)"}[$__rate_interval])',
    ],
)
def test_nothing_is_wrong_with_a_right_query(query: str) -> None:
    assert faults(query) == []


def test_variables_are_filled_in_both_forms() -> None:
    query = 'rate(a_total{instance=~"$instance"}[$__rate_interval]) + b{i=~"${instance}"}'
    found = concrete(query, instance="api-1:.*", rate_interval="2m")
    assert found == 'rate(a_total{instance=~"api-1:.*"}[2m]) + b{i=~"api-1:.*"}'


def test_groups_of_label_replace_are_no_variables() -> None:
    query = 'label_replace(a, "x", "${1}xx", "status", "(.)..$")'
    assert concrete(query) == query


def test_a_variable_that_nobody_knows_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"\$lane"):
        concrete('a{lane="$lane"}')


def test_ranges_and_offsets_that_are_written_out_are_scaled_and_variables_are_not() -> None:
    query = "sum_over_time(a[30d:5m]) + rate(b_total[$__rate_interval]) + c offset 2m + d[1h30m]"
    found = concrete(query, rate_interval="7s", scaled=lambda text: f"<{text}>")
    assert found == (
        "sum_over_time(a[<30d>:<5m>]) + rate(b_total[7s]) + c offset <2m> + d[<1h30m>]"
    )
