"""The model of data parallelism, against cases counted by hand and against what must hold of any cluster."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnn_evolution.analysis.scaling import (
    BACKWARD,
    Cluster,
    Training,
    all_reduce_seconds,
    efficiency,
    facts,
    ring_bytes,
)

sizes = st.integers(1, 10**10)
rates = st.floats(1e3, 1e13)
clusters = st.builds(Cluster, st.integers(1, 512), st.integers(1, 16), rates, rates)
trainings = st.builds(Training, sizes, st.floats(1, 1e6), st.integers(1, 2**17))


def test_a_ring_by_hand():
    assert [ring_bytes(120, members) for members in (1, 2, 3, 4)] == [0, 120, 160, 180]


def simulated_ring(members: int, parts: list[list[int]]) -> int:
    """Sums `parts[m]` of every member m in a ring of messages; returns how many numbers each sent."""
    expected, sent = [sum(column) for column in zip(*parts, strict=True)], [0] * members
    for shift in range(2 * (members - 1)):
        messages = [((m - shift) % members, parts[m][(m - shift) % members]) for m in range(members)]
        for m, (place, value) in enumerate(messages):
            after = (m + 1) % members
            parts[after][place] = parts[after][place] + value if shift < members - 1 else value
            sent[m] += 1
    assert all(part == expected for part in parts)
    assert len(set(sent)) == 1
    return sent[0]


@pytest.mark.parametrize("members", [2, 3, 8])
def test_the_formula_counts_the_messages_of_a_ring(members):
    parts = [[10 * m + place for place in range(members)] for m in range(members)]
    assert simulated_ring(members, parts) == ring_bytes(members, members)


def test_an_all_reduce_by_hand():
    one, two = Cluster(1, 4, 10.0, 5.0), Cluster(2, 4, 10.0, 5.0)
    assert all_reduce_seconds(80, one) == 12  # 1.5 x 80 bytes at 10 a second
    assert all_reduce_seconds(80, two) == 12 + 16  # each of 4 sends 20 bytes at a quarter of 5 a second
    assert all_reduce_seconds(80, Cluster(1, 1, 10.0, 5.0)) == 0


def test_efficiency_by_hand():
    assert efficiency(3, 1) == 0.75
    assert efficiency(3, 1, hidden=BACKWARD) == 1
    assert efficiency(3, 4, hidden=BACKWARD) == 0.6


def test_goyal_et_al_need_12_8_gigabits_a_second_for_resnet50():
    """Section 4: gradients of 100 MB, summed between 32 hosts while the backward pass of 0.125 s runs."""
    assert 8 * ring_bytes(100e6, 32) / 0.125 == pytest.approx(12.8e9, rel=0.04)


def test_a_training_by_hand():
    training = Training(gradient_bytes=80, images_per_second=2.0, batch_size=64)
    cluster = Cluster(2, 4, 10.0, 5.0)
    assert training.compute_seconds(cluster) == 4
    assert training.efficiency(cluster) == 4 / (4 + 28)
    # One host computes 8 s and sums for 12: 0.4. Two keep 0.125.
    assert training.accelerators_that_pay(cluster, 0.4) == 4
    assert training.accelerators_that_pay(cluster, 0.41) == 0
    assert training.accelerators_that_pay(cluster, 0.125) == 8
    assert training.accelerators_that_pay(cluster, 0.125, images=9) == 4


@given(trainings, clusters)
def test_more_hosts_are_never_more_efficient_and_overlap_never_harms(training, cluster):
    larger = dataclasses.replace(cluster, hosts=cluster.hosts + 1)
    assert training.efficiency(larger) <= training.efficiency(cluster) * (1 + 1e-12)
    assert 0 < training.efficiency(cluster) <= training.efficiency(cluster, hidden=BACKWARD) <= 1


@given(sizes, clusters)
def test_faster_links_and_smaller_gradients_never_take_longer(size, cluster):
    seconds = all_reduce_seconds(size, cluster)
    assert all_reduce_seconds(size, dataclasses.replace(cluster, inside=2 * cluster.inside)) <= seconds
    assert all_reduce_seconds(size, dataclasses.replace(cluster, between=2 * cluster.between)) <= seconds
    assert all_reduce_seconds(2 * size, cluster) == pytest.approx(2 * seconds)


@given(sizes, st.integers(1, 10**6))
def test_a_ring_never_sends_twice_the_gradients(size, members):
    assert 0 <= ring_bytes(size, members) < 2 * size


@given(trainings, clusters, st.floats(0.01, 1), st.integers(1, 64))
def test_what_pays_keeps_the_efficiency_and_one_more_doubling_does_not(training, cluster, least, images):
    most = training.accelerators_that_pay(cluster, least, images)
    if most:
        assert training.efficiency(dataclasses.replace(cluster, hosts=most // cluster.per_host)) >= least
    doubled = dataclasses.replace(cluster, hosts=max(1, 2 * most // cluster.per_host))
    assert doubled.accelerators * images > training.batch_size or training.efficiency(doubled) < least


@pytest.mark.parametrize("field", ["hosts", "per_host", "inside", "between"])
def test_a_cluster_of_nothing_is_refused(field):
    with pytest.raises(ValueError, match=f"{field} of a cluster is 0"):
        dataclasses.replace(Cluster(1, 8, 1.0, 1.0), **{field: 0})


def test_every_fact_has_a_unit_and_a_source():
    assert facts()["images"].value == 1_281_167
    assert all(fact.value > 0 and fact.unit and fact.what and fact.source for fact in facts().values())
