"""The plugins' protos as a strict subset of Envoy's: test_proto_subset.py once more, with their files.

They stand in a pool of their own, because they define smaller subsets of some of Envoy's messages
than the core does.
"""

import importlib.util
import os
import pathlib

import pytest

HERE = pathlib.Path(__file__).resolve().parent
PLUGINS = HERE.parents[1] / "Plugins"
FOLDERS = sorted(p.relative_to(HERE.parents[1]).as_posix() for p in PLUGINS.glob("*/Protos"))


def load():
    before = os.environ.get("MARTLET_PROTO_ROOTS")
    os.environ["MARTLET_PROTO_ROOTS"] = ":".join(FOLDERS)
    try:
        spec = importlib.util.spec_from_file_location("plugin_proto_subset", HERE / "test_proto_subset.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module
    finally:
        if before is None:
            del os.environ["MARTLET_PROTO_ROOTS"]
        else:
            os.environ["MARTLET_PROTO_ROOTS"] = before


subset = load()
test_file = subset.test_file
test_fields = subset.test_fields
test_enums = subset.test_enums
test_every_official_field_is_ours_or_refused = subset.test_every_official_field_is_ours_or_refused
test_constraints_are_envoys = subset.test_constraints_are_envoys


def test_there_are_files():
    assert len(FOLDERS) >= 3 and len(subset.OUR_MESSAGES) >= 20


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_plugin_has_no_file_of_the_host_s_name_but_envoys(folder):
    for path in (HERE.parents[1] / folder).rglob("*.proto"):
        assert path.relative_to(HERE.parents[1] / folder).parts[0] in ("envoy", "martlet")
