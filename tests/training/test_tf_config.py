"""What TF_CONFIG may say."""

import json

import pytest

from simone_tf.errors import UserError
from simone_tf.training.tf_config import Cluster, host_and_port, read_tf_config

TWO = ["a:1", "b:2"]


def read(value):
    return read_tf_config({"TF_CONFIG": value if isinstance(value, str) else json.dumps(value)})


def config(workers=TWO, kind="worker", index=1, **jobs):
    return {"cluster": {"worker": workers, **jobs}, "task": {"type": kind, "index": index}}


def test_several_workers():
    assert read(config()) == Cluster(("a:1", "b:2"), 1)
    assert read(config(index="0")) == Cluster(("a:1", "b:2"), 0)
    assert read(config(["[::1]:5", "10.0.0.1:6", "host-2.svc:7"])).number == 1


@pytest.mark.parametrize("value", ["", "  ", {}, {"cluster": {}}, {"cluster": {"worker": ["a:1"]}}, config(["a:1"])])
def test_one_worker_or_none_is_no_cluster(value):
    assert read(value) is None
    assert read_tf_config({}) is None


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("{", "is no JSON"),
        ("[" * 100_000, "is no JSON"),
        ("[]", "not an object"),
        ({"cluster": ["a:1", "b:2"]}, "a cluster that is a list"),
        ({"cluster": {"worker": TWO}}, "no task with a type and an index"),
        ({"cluster": {"worker": TWO}, "task": {"type": "worker"}}, "no task with a type and an index"),
        (config(index=2), "task index 2, and the 2 workers are those from 0 to 1"),
        (config(index=-1), "task index -1"),
        (config(index=True), "task index True"),
        (config(index="one"), "task index 'one'"),
        (config(kind="chief"), "task of the type 'chief'"),
        (config(kind="evaluator"), "task of the type 'evaluator'"),
        (config(chief=["c:3"]), "tasks of the kind chief"),
        (config(ps=["c:3"], evaluator=["d:3"]), "tasks of the kind evaluator, ps"),
        (config("a:1,b:2"), "no list of 'host:port'"),
        (config(["a:1", "b"]), "no list of 'host:port'"),
        (config(["a:1", "grpc://b:2"]), "no list of 'host:port'"),
        (config(["a:1", "b:70000"]), "no list of 'host:port'"),
        (config(["a:1", 5]), "no list of 'host:port'"),
        (config(["a:1", "a:1"]), "two workers one address"),
    ],
)
def test_what_is_wrong_is_told_in_one_sentence_with_an_example(value, words):
    with pytest.raises(UserError) as caught:
        read(value)
    text = str(caught.value)
    assert words in text
    assert text.startswith("TF_CONFIG ")
    assert '{"cluster": {"worker": ["host0:port", "host1:port"]}' in text
    assert "\n" not in text


def test_host_and_port():
    assert host_and_port("127.0.0.1:80") == ("127.0.0.1", 80)
    assert host_and_port("[::1]:80") == ("::1", 80)
