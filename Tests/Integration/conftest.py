"""Options and fixtures of the integration tests; see README.md."""

from __future__ import annotations

import os
import shutil
import sys
import time

import pytest

sys.path.insert(0, os.path.dirname(__file__))

from harness import differs as differs_module  # noqa: E402
from harness import plugins, process  # noqa: E402
from harness.stalls import Stalls  # noqa: E402
from harness.upstream import Upstream  # noqa: E402


class Attempt:
    """The test that runs now: when it began, and whether a proxy of its has died of a signal that we have not sent."""

    began, has_crashed = 0.0, False
    proxies: list[process.Proxy] = []

    @classmethod
    def begin(cls):
        cls.began, cls.has_crashed = time.monotonic(), False

    @classmethod
    def look(cls):
        cls.has_crashed |= any(proxy.has_crashed for proxy in cls.proxies)

    @classmethod
    def is_repeated(cls, error, stalls) -> bool:
        """Not what fails by itself, and no crash."""
        cls.look()
        return error is not None and not cls.has_crashed and stalls.since(cls.began)


# The filters that come with Martlet, as Scripts/plugins.sh builds them.
os.environ.setdefault("MARTLET_PLUGIN_PATH", os.path.join(process.ROOT, ".build/plugins"))


def pytest_addoption(parser):
    parser.addoption("--proxy", default="martlet", choices=["martlet", "envoy"], help="which proxy to test")
    parser.addoption("--write-differences", action="store_true",
                     help="write Docs/differences-from-envoy.md from the tests' expectations and stop")


def pytest_configure(config):
    config.addinivalue_line("markers", "only(kind, why): the test has a meaning for one proxy alone")
    config.addinivalue_line("markers", "later(why): Martlet refuses this configuration until a later issue; when it "
                                       "does not any more, the test fails and the mark goes")
    if not config.option.collectonly:
        config.stalls = Stalls()


def pytest_unconfigure(config):
    if hasattr(config, "stalls"):
        config.stalls.stop()


def pytest_runtest_logstart():
    """Each attempt begins here."""
    Attempt.begin()


def pytest_collection_modifyitems(config, items):
    if config.getoption("--write-differences"):
        with open(os.path.join(process.ROOT, "Docs/differences-from-envoy.md"), "w") as f:
            f.write(differs_module.page())
        items.clear()
        return
    kind = config.getoption("--proxy")
    for item in items:
        mark = item.get_closest_marker("later")
        if mark and kind == "martlet":
            item.add_marker(pytest.mark.xfail(reason=f"later: {mark.args[0]}", strict=True))
        item.add_marker(pytest.mark.flaky(reruns=3, condition=lambda error: Attempt.is_repeated(error, config.stalls)))
        mark = item.get_closest_marker("only")
        if mark and mark.args[0] != kind:
            item.add_marker(pytest.mark.skip(reason=f"{mark.args[0]} only: {mark.args[1]}"))


@pytest.fixture(scope="session")
def kind(request) -> str:
    return request.config.getoption("--proxy")


@pytest.fixture(scope="session")
def settle(kind):
    """Resolves an expectation for the proxy under test."""
    return lambda value: differs_module.expected(value, kind)


def _launcher(kind):
    started = []

    def launch(config, **options) -> process.Proxy:
        proxy = process.Proxy(kind, config, **options)
        started.append(proxy)
        Attempt.proxies.append(proxy)
        return proxy

    def stop():
        Attempt.look()
        for proxy in started:
            proxy.stop()
            Attempt.proxies.remove(proxy)

    return launch, stop


@pytest.fixture(scope="module")
def launch(kind):
    """Starts proxies that live until the module ends."""
    launch, stop = _launcher(kind)
    yield launch
    crashed = [proxy for proxy in Attempt.proxies if proxy.has_crashed]
    output = "".join(f"proxy died by signal {-proxy.process.returncode}: {proxy.output()[-4000:]}\n" for proxy in crashed)
    stop()
    if crashed:
        pytest.fail(output)


@pytest.fixture
def launch_once(kind):
    """Starts proxies that live for one test."""
    launch, stop = _launcher(kind)
    yield launch
    stop()


@pytest.fixture(scope="module")
def upstreams():
    """Makes upstreams that live until the module ends."""
    made = []

    def make(**options) -> Upstream:
        upstream = Upstream(**options)
        made.append(upstream)
        return upstream

    yield make
    for upstream in made:
        upstream.stop()


@pytest.fixture(scope="module")
def upstream(upstreams) -> Upstream:
    return upstreams()


@pytest.fixture(scope="session")
def workshop():
    """Builds filter plugins, each once a session."""
    if not shutil.which("gcc"):
        pytest.skip("gcc is not there")
    made = plugins.Workshop()
    yield made
    made.stop()


@pytest.fixture(autouse=True)
def _fresh_upstream(request):
    """Each test begins with an upstream that answers 200 and has seen nothing."""
    if "upstream" in request.fixturenames:
        request.getfixturevalue("upstream").reset()
    yield
