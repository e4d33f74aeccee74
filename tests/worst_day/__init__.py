"""The worst day of collectors: the same faults for Inrush and for every other collector that is installed.

A sender brings numbered messages, each with a checksum, to a collector, whose destination is a receiver that can be
away, stall and come back (`sender`, `receiver`, `messages`). A fault is a function of a `Day`, which has the three of
them (`faults`, `day`). What was acknowledged to the sender and never came, what came twice, late or torn, and how long
it took is a result, a file of JSON each (`results`), and the page is made of these files alone (`page`).

A collector is a file in `collectors/`: its command, its configuration, and what has to be known of it. A file more is a
collector more; nothing else knows their names.
"""
