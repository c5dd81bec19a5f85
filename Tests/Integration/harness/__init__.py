"""What the integration tests stand on: a proxy process, raw clients, scripted upstreams.

The tests are black-box: they see a configuration file going in and bytes coming out.
Nothing here knows how the proxy is built, so the same suite runs against Envoy
(`--proxy=envoy`), which is how the suite itself is tested.

    process.py   starts martlet or envoy with a configuration, asks its admin interface
    config.py    short functions that return pieces of Envoy v3 configuration as dicts
    client.py    raw sockets downstream: exact bytes out, parsed answers in
    upstream.py  raw scripted servers upstream: exact bytes recorded, scripted bytes out
    differs.py   the register of intended differences between Martlet and Envoy
"""
