"""PromQL: selectors that keep to the chosen jobs, rates over the rate interval, totals over what is shown."""

from __future__ import annotations

Query = tuple[str, str]
"""An expression and the legend of its series."""

CHOSEN = ('job=~"$job"', 'instance=~"$instance"')


def of(name: str, *matchers: str) -> str:
    """Return the selector of one of our figures, within what is chosen at the top."""
    return f"tamis_{name}{{{', '.join([*CHOSEN, *matchers])}}}"


def summed(by: str) -> str:
    return f"sum by ({by}) " if by else "sum"


def per_second(name: str, by: str = "", *matchers: str) -> str:
    return f"{summed(by)}(rate({of(name, *matchers)}[$__rate_interval]))"


def so_far(name: str, by: str = "", *matchers: str) -> str:
    return f"{summed(by)}(increase({of(name, *matchers)}[$__range]))"


def now(name: str, by: str = "", *matchers: str) -> str:
    return f"{summed(by)}({of(name, *matchers)})"


def or_zero(expr: str) -> str:
    """Return 0 where no process tells anything: a panel would go on to show what the last one said."""
    return f"{expr} or vector(0)"


def most(name: str, by: str, how: str = "max", *matchers: str) -> str:
    """Return the extreme of what cannot be added up."""
    return f"{how} by ({by}) ({of(name, *matchers)})"


def quantile(share: float, name: str, by: str = "", *matchers: str) -> str:
    buckets = per_second(f"{name}_bucket", "le" + f", {by}" * bool(by), *matchers)
    return f"histogram_quantile({share}, {buckets})"


def quantiles(name: str, by: str = "", *matchers: str) -> list[Query]:
    legend = f" {{{{{by}}}}}" if by else ""
    return [(quantile(share, name, by, *matchers), f"p{share * 100:.0f}{legend}") for share in (0.5, 0.95, 0.99)]


def share(of_these: str, all_these: str) -> str:
    return f"{of_these} / {all_these}"


def mean(name: str, by: str, *matchers: str) -> str:
    return share(per_second(f"{name}_sum", by, *matchers), per_second(f"{name}_count", by, *matchers))
