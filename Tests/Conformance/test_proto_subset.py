"""Our protos are a strict subset of Envoy's v3 API, and their rules are Envoy's own.

Compares Protos/ with the official descriptors of PyPI's xds-protos: every message, field, enum
and oneof of ours exists there with the same number, type, label and oneof; every field of theirs
in a message of ours is either ours or listed as refused; every constraint equals the one of
protoc-gen-validate there. The upgrade's table covers every v2 field that v3 dropped.

Needs: protoc, and a Python with xds-protos (here /opt/oracle/bin/python -m pytest).
"""

import importlib
import os
import pathlib
import re
import subprocess
import tempfile

import pytest

pytest.importorskip("envoy.config.core.v3.base_pb2", reason="PyPI xds-protos is not installed")

from google.protobuf import descriptor, descriptor_pb2, descriptor_pool, message_factory  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
# test_plugin_proto_subset.py runs this file again for the plugins' protos.
ROOTS = [ROOT / folder for folder in os.environ.get("MARTLET_PROTO_ROOTS", "Protos").split(":")]
FILES = sorted(p.relative_to(root).as_posix() for root in ROOTS for p in root.rglob("*.proto"))
OURS_ONLY = {f for f in FILES if f.startswith("martlet/")}
SCALARS = {v: k for k, v in vars(descriptor.FieldDescriptor).items() if k.startswith("TYPE_")}


# What Envoy 1.40 has and the newest xds-protos of PyPI (1.85.0) do not: fields and values of enums by number, with
# the type and, where there is one, the oneof. Taken from the descriptors in the program of Envoy 1.40.
RATE = "envoy.config.route.v3.RateLimit"
NEWER_FIELDS = {
    RATE: {"x_ratelimit_option": (7, f"{RATE}.XRateLimitOption")},
    f"{RATE}.Action": {"remote_address_match": (13, f"{RATE}.Action.RemoteAddressMatch")},
    f"{RATE}.Action.GenericKey": {"default_value": (3, "TYPE_STRING")},
    f"{RATE}.Action.HeaderValueMatch": {"default_value": (5, "TYPE_STRING")},
    f"{RATE}.Action.QueryParameterValueMatch": {"default_value": (5, "TYPE_STRING")},
    f"{RATE}.Override": {"rate_limit": (2, f"{RATE}.Override.RateLimitOverride")},
    f"{RATE}.HitsAddend": {"is_negative_hits": (3, "TYPE_BOOL")},
    "envoy.type.matcher.v3.AddressMatcher": {"invert_match": (2, "TYPE_BOOL")},
    "envoy.type.metadata.v3.MetadataKey.PathSegment": {"index": (2, "TYPE_UINT32")},
    "envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit": {"enable_retry_after_header": (19, "TYPE_BOOL")},
    "envoy.extensions.common.ratelimit.v3.RateLimitDescriptor": {"is_negative_hits": (4, "TYPE_BOOL")},
    "envoy.extensions.common.ratelimit.v3.LocalRateLimitDescriptor": {"shadow_mode": (3, "TYPE_BOOL")},
}
NEWER_MESSAGES = {f"{RATE}.Action.RemoteAddressMatch", f"{RATE}.Override.RateLimitOverride"}
NEWER_ENUMS = {f"{RATE}.XRateLimitOption"}
NEWER_VALUES = {f"{RATE}.Action.MetaData.Source": {"CLUSTER_ENTRY": 2, "CLUSTER_LOCALITY_ENTRY": 3}}
# Constraints that 1.40 has changed.
NEWER_RULES = {"envoy.type.v3.TokenBucket.max_tokens": {}}


def compile_protos():
    """Our descriptors in a pool of their own, so that they meet the official ones nowhere."""
    with tempfile.NamedTemporaryFile() as out:
        subprocess.run(
            ["protoc", *(f"-I{root}" for root in ROOTS), f"-I{ROOT / 'Protos'}", "-I/usr/include", "--include_imports",
             "--descriptor_set_out", out.name, *FILES],
            check=True,
        )
        raw = pathlib.Path(out.name).read_bytes()
    pool = descriptor_pool.DescriptorPool()
    plain = descriptor_pb2.FileDescriptorSet.FromString(raw)
    for file in plain.file:
        pool.AddSerializedFile(file.SerializeToString())
    return pool


POOL = compile_protos()
FILE = {name: POOL.FindFileByName(name) for name in FILES}


def option(item, options_name, extension):
    """A martlet option of a descriptor, parsed with our own pool."""
    options_type = message_factory.GetMessageClass(
        POOL.FindMessageTypeByName(f"google.protobuf.{options_name}"))
    options = options_type.FromString(item.GetOptions().SerializeToString())
    found = POOL.FindExtensionByName(f"martlet.{extension}")
    return options.Extensions[found] if options.HasExtension(found) else None


def messages(file):
    """Every message, nested ones too, without the entries of maps."""
    todo = list(file.message_types_by_name.values())
    while todo:
        message = todo.pop()
        if message.GetOptions().map_entry:
            continue
        yield message
        todo += message.nested_types


def enums(file):
    yield from file.enum_types_by_name.values()
    for message in messages(file):
        yield from message.enum_types


def official_file(name):
    return importlib.import_module(name[: -len(".proto")].replace("/", ".") + "_pb2").DESCRIPTOR


def official(name):
    """The official message or enum of that full name."""
    for file in FILES:
        if file in OURS_ONLY:
            continue
        official_file(file)
    pool = descriptor_pool.Default()
    try:
        return pool.FindMessageTypeByName(name)
    except KeyError:
        return pool.FindEnumTypeByName(name)


OUR_MESSAGES = [m for f in FILES if f not in OURS_ONLY for m in messages(FILE[f]) if m.full_name not in NEWER_MESSAGES]
OUR_ENUMS = [e for f in FILES if f not in OURS_ONLY for e in enums(FILE[f]) if e.full_name not in NEWER_ENUMS]
BY_NAME = dict(ids=lambda d: d.full_name)


def type_name(field):
    if field.message_type is not None:
        if field.message_type.GetOptions().map_entry:
            entry = field.message_type.fields_by_name
            return f"map<{type_name(entry['key'])}, {type_name(entry['value'])}>"
        return field.message_type.full_name
    return field.enum_type.full_name if field.enum_type is not None else SCALARS[field.type]


def test_there_are_files():
    assert len(FILES) > 25 and len(OUR_MESSAGES) > 60


@pytest.mark.parametrize("name", [f for f in FILES if f not in OURS_ONLY])
def test_file(name):
    assert FILE[name].package == official_file(name).package


@pytest.mark.parametrize("message", OUR_MESSAGES, **BY_NAME)
def test_fields(message):
    theirs = official(message.full_name)
    assert theirs.file.name == message.file.name
    for field in message.fields:
        other = theirs.fields_by_name.get(field.name)
        newer = NEWER_FIELDS.get(message.full_name, {}).get(field.name)
        if other is None and newer:
            assert (field.number, type_name(field)) == newer, field.full_name
            continue
        assert other is not None, f"{message.full_name} has no field {field.name}"
        assert field.number == other.number, field.full_name
        assert type_name(field) == type_name(other), field.full_name
        assert field.is_repeated == other.is_repeated, field.full_name
        assert field.json_name == other.json_name
        assert field.has_presence == other.has_presence, field.full_name
        ours, his = field.containing_oneof, other.containing_oneof
        assert (ours and ours.name) == (his and his.name), field.full_name
        assert field.GetOptions().deprecated == other.GetOptions().deprecated, field.full_name


@pytest.mark.parametrize("enum", OUR_ENUMS, **BY_NAME)
def test_enums(enum):
    theirs = official(enum.full_name)
    for value in enum.values:
        other = theirs.values_by_name.get(value.name)
        if other is None and NEWER_VALUES.get(enum.full_name, {}).get(value.name) == value.number:
            continue
        assert other is not None and other.number == value.number, f"{enum.full_name}.{value.name}"


@pytest.mark.parametrize("message", OUR_MESSAGES, **BY_NAME)
def test_every_official_field_is_ours_or_refused(message):
    """So that no field of a message we know is an unknown one."""
    theirs = official(message.full_name)
    rules = option(message, "MessageOptions", "message")
    refused = {f.name: f.number for g in rules.refused for f in g.field} if rules else {}
    newer = NEWER_FIELDS.get(message.full_name, {})
    for name, number in refused.items():
        if name not in theirs.fields_by_name and name in newer:
            assert number == newer[name][0], name
            continue
        assert name in theirs.fields_by_name, f"{message.full_name} has no field {name}"
        assert theirs.fields_by_name[name].number == number, name
        assert name not in message.fields_by_name, f"{name} is both supported and refused"
    ours = set(refused) | set(message.fields_by_name)
    assert ours == set(theirs.fields_by_name) | set(newer), set(theirs.fields_by_name) ^ ours


def nanoseconds(duration):
    return duration.seconds * 10**9 + duration.nanos


def validate_rules(rules):
    """protoc-gen-validate's rules of a field, in the terms of martlet.FieldRules."""
    result = {}
    if rules.message.required:
        result["required"] = True
    kind = rules.WhichOneof("type")
    if kind is None:
        return result
    for field, value in getattr(rules, kind).ListFields():
        name = field.name
        if kind == "double" and name == "gt":
            # Our rules know whole numbers; the conversion checks this one (`buckets`).
            continue
        if kind == "duration" and name in ("gt", "gte", "lt", "lte"):
            value = nanoseconds(value)
        if name in ("gte", "gt"):
            result["at_least"] = value + (name == "gt")
        elif name in ("lte", "lt"):
            result["at_most"] = value - (name == "lt")
        elif name in ("min_len", "min_bytes"):
            result["min_length"] = value
        elif name in ("max_len", "max_bytes"):
            result["max_length"] = value
        elif name == "well_known_regex":
            result["header"] = value
        elif name == "in":
            result["one_of"] = list(value)
        elif name == "items":
            inner = validate_rules(value)
            if inner:
                result["items"] = inner
        elif name in ("required", "min_items", "max_items", "unique", "ignore_empty", "prefix"):
            result[name] = value
        elif name == "pattern":
            # The one pattern there is, of `path_separated_prefix`, is checked by the conversion.
            assert value == "^[^?#]+[^?#/]$"
        elif name == "not_in" and kind == "enum" and list(value) == [0]:
            result["required"] = True  # the value that absence means is refused
        elif name in ("defined_only", "strict", "keys", "suffix"):
            # The one suffix, of `hits_addend.format`, is checked by the conversion.
            # Undefined enum values are always refused; the strict header form is not Envoy's;
            # the keys of the one map we have are compared with a list in the conversion.
            pass
        else:
            raise AssertionError(f"a rule that is not known here: {kind}.{name}")
    return result


def our_rules(rules):
    result = {}
    if rules is None:
        return result
    states = {"limits", "no_effect", "only", "why", "extensions", "octal"}
    for field, value in rules.ListFields():
        if field.name == "items":
            if our_rules(value):
                result["items"] = our_rules(value)
        elif field.name == "one_of":
            result["one_of"] = list(value)
        elif field.name not in states:
            result[field.name] = value
    return result


@pytest.mark.parametrize("message", OUR_MESSAGES, **BY_NAME)
def test_constraints_are_envoys(message):
    from validate import validate_pb2

    theirs = official(message.full_name)
    for field in message.fields:
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            continue
        if field.name not in theirs.fields_by_name:
            continue
        options = theirs.fields_by_name[field.name].GetOptions()
        expected = {}
        if options.HasExtension(validate_pb2.rules):
            expected = validate_rules(options.Extensions[validate_pb2.rules])
        expected = NEWER_RULES.get(field.full_name, expected)
        assert our_rules(option(field, "FieldOptions", "field")) == expected, field.full_name
    for oneof in message.oneofs:
        other = theirs.oneofs_by_name[oneof.name].GetOptions()
        ours = option(oneof, "OneofOptions", "oneof")
        assert bool(ours and ours.required) == other.Extensions[validate_pb2.required], oneof.name


def test_upgrade_covers_what_v3_dropped():
    """Each field of a v2 message that v3 does not have stands in the upgrade's sources."""
    from udpa.annotations import versioning_pb2

    folder = ROOT / "Sources/EnvoyConfiguration/Upgrade"
    source = "\n".join(p.read_text() for p in sorted(folder.glob("*.swift")))
    site = pathlib.Path(importlib.import_module("envoy").__file__).parent
    for path in list(site.glob("api/v2/**/*_pb2.py")) + list(site.glob("config/**/v2*/**/*_pb2.py")):
        importlib.import_module("envoy." + ".".join(path.relative_to(site).with_suffix("").parts))
    for name in ("string", "metadata", "value", "number"):
        importlib.import_module(f"envoy.type.matcher.{name}_pb2")
    # Named as where a message of v3 comes from, and in no file of v2.
    never = {"envoy.config.filter.accesslog.v2.MetadataFilter"}
    pool = descriptor_pool.Default()
    checked = 0
    for message in OUR_MESSAGES:
        theirs = official(message.full_name)
        options = theirs.GetOptions()
        if not options.HasExtension(versioning_pb2.versioning):
            continue
        previous = options.Extensions[versioning_pb2.versioning].previous_message_type
        if previous in never:
            continue
        old = pool.FindMessageTypeByName(previous)
        for field in old.fields:
            if field.name not in theirs.fields_by_name:
                assert f'"{field.name}"' in source, f"{previous}.{field.name} is not upgraded"
                checked += 1
    assert checked > 15


def test_legacy_type_names():
    """Both sides of each renamed type exist."""
    text = (ROOT / "Sources/EnvoyConfiguration/Upgrade/LegacyNames.swift").read_text()
    pairs = re.findall(r'"(envoy\.config\.[\w.]+\.v2\.\w+)":\s*"([\w.]+)"', text)
    assert len(pairs) >= 9
    pool = descriptor_pool.Default()
    for old, new in pairs:
        module = old.rsplit(".", 1)[0]
        path = pathlib.Path(importlib.import_module("envoy").__file__).parent.parent
        for file in (path / module.replace(".", "/")).glob("*_pb2.py"):
            importlib.import_module(f"{module}.{file.stem}")
        assert pool.FindMessageTypeByName(old)
        assert new in {m.full_name for m in OUR_MESSAGES}, new
