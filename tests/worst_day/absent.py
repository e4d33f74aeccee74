"""Collectors that are known and not measured, each with the reason."""

from __future__ import annotations

NO_PACKAGE = "not installed: neither Debian 12 nor PyPI has a package of it"
ABSENT = {
    "AxoSyslog": NO_PACKAGE,
    "Fluent Bit": NO_PACKAGE,
    "Fluentd": NO_PACKAGE,
    "Logstash": NO_PACKAGE,
    "NXLog": NO_PACKAGE,
    "OpenTelemetry Collector": NO_PACKAGE,
    "Vector": NO_PACKAGE,
    "syslogd of BusyBox and of GNU inetutils": "sends to other machines over UDP alone, and has no buffer",
}
