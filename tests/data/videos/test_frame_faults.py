"""Which frames are spoilt by damage, whatever the order in which they are coded and shown."""

import dataclasses

import pytest

from simone_tf.data.videos.damage import Damage
from simone_tf.data.videos.frame_faults import FrameFaults
from simone_tf.errors import UserError


@dataclasses.dataclass
class Packet:
    pts: int | None


@dataclasses.dataclass
class Frame:
    pts: int
    key_frame: bool = False
    is_corrupt: bool = False


def run(coded, damage, bad=(), lost=(), corrupt=(), gone=(), keys=(0,)):
    """Codes frames in the order `coded` (times of showing), as a decoder gives them; returns the times of good ones."""
    faults, good, shown = FrameFaults(damage), [], sorted(coded)
    inside = []
    for time in coded:
        faults.send(Packet(time))
        if time in lost:
            faults.lost("lost", before=1)
        if time in bad:
            faults.bad("bad")
        inside.append(time)
        while shown and (shown[0] in inside or shown[0] in gone):
            out = shown.pop(0)
            if out not in gone:
                good += [frame.pts for frame in faults.good(Frame(out, out in keys, out in corrupt))]
    return good + [frame.pts for frame in faults.rest()]


IN_ORDER = list(range(8))
# I0 P3 B1 B2 P6 B4 B5, and the same again.
WITH_B = [0, 3, 1, 2, 6, 4, 5, 7, 10, 8, 9, 13, 11, 12]


def test_nothing_is_left_out_of_a_whole_video():
    for coded in (IN_ORDER, WITH_B):
        damage = Damage("a")
        assert run(coded, damage) == sorted(coded)
        assert damage.told() is None


def test_damage_lasts_to_the_next_key_frame():
    damage = Damage("a", "skip")
    assert run(IN_ORDER, damage, bad=[2], keys=[0, 5]) == [0, 1, 5, 6, 7]
    assert (damage.left_out, damage.holes) == (3, 0)


def test_frames_shown_earlier_but_coded_later_are_spoilt_too():
    for found in ({"bad": [6]}, {"corrupt": [6]}):
        damage = Damage("a", "skip")
        assert run(WITH_B, damage, keys=[0, 7], **found) == [0, 1, 2, 3, 7, 8, 9, 10, 11, 12, 13]
        assert damage.left_out == 3


def test_a_frame_that_never_comes_is_counted():
    damage = Damage("a", "skip")
    assert run(WITH_B, damage, bad=[10], gone=[10], keys=[0, 7]) == [0, 1, 2, 3, 4, 5, 6, 7]
    assert damage.left_out == 6


def test_without_damage_a_packet_may_make_no_frame():
    damage = Damage("a")
    assert run(IN_ORDER, damage, gone=[3]) == [0, 1, 2, 4, 5, 6, 7]
    assert damage.told() is None


def test_what_is_lost_between_packets_spoils_what_follows():
    damage = Damage("a", "skip")
    assert run(IN_ORDER, damage, lost=[3], keys=[0, 6]) == [0, 1, 2, 6, 7]
    assert (damage.left_out, damage.holes) == (3, 1)
    assert damage.told().endswith("3 damaged frames were left out, and frames are missing at 1 place of the file")
    damage = Damage("a", "skip")
    assert run(IN_ORDER, damage, lost=[5], keys=[0, 5]) == IN_ORDER
    assert (damage.left_out, damage.holes) == (0, 1)


@pytest.mark.parametrize(
    ("coded", "found", "number"),
    [
        (IN_ORDER, {"bad": [4]}, 4),
        (IN_ORDER, {"corrupt": [7]}, 7),
        (WITH_B, {"bad": [6]}, 4),
        (IN_ORDER, {"lost": [2]}, 2),
    ],
)
def test_the_first_spoilt_frame_is_named(coded, found, number):
    with pytest.raises(UserError, match=f"a is damaged at frame {number} "):
        run(coded, Damage("a"), **found)


def test_times_that_jump_back_hold_nothing_up():
    """Two recordings in one file: the times begin again, and one frame before never came."""
    faults, good = FrameFaults(Damage("a")), []
    for time in [*range(0, 100), *range(0, 100)]:
        faults.send(Packet(time))
        if time != 99:
            good += list(faults.good(Frame(time)))
        assert len(faults._held) <= 25
    good += list(faults.rest())
    assert len(good) == 198


def test_without_times_frames_are_known_by_number():
    damage = Damage("a", "skip")
    faults, good = FrameFaults(damage), []
    for number in range(6):
        packet = Packet(None)
        faults.send(packet)
        if number == 3:
            faults.bad("bad")
        good += [number for _ in faults.good(Frame(packet.pts, key_frame=number in (0, 5)))]
    assert good == [0, 1, 2, 5]
    assert damage.left_out == 2


def test_other_words_are_refused():
    with pytest.raises(UserError, match="on_corrupt is 'ignore': choose raise or skip"):
        Damage("a", "ignore")
