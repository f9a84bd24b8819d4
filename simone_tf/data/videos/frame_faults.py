"""Which frames of a video are spoilt by damage in its file: those that are damaged, and those drawn from them.

Frames come out of a decoder in the order they are shown, not in that of the file. What is damaged in the file spoils
all that is decoded from there to the next key frame, some of which is shown before the damaged frame itself. So a frame
is held back until all that was decoded before it has come out, and is then known to be good or not.
"""

import dataclasses
from collections.abc import Iterator

from simone_tf.data.videos.damage import Damage

_END = float("inf")
_MOST_HELD = 24
_NUMBERS = 2**60
"""Times from here on are none, but numbers of packets; the decoder hands them through."""


@dataclasses.dataclass
class _Fault:
    """Damage: at the packet of this number, or, of a half number, between two of them."""

    packet: float
    reason: str
    told: bool = False
    is_frame: bool = False  # whether the packet's frame was seen, or counted as missing


@dataclasses.dataclass
class _Held:
    """A frame, or None in place of one that did not come, and the number of its packet."""

    frame: object
    packet: float


class FrameFaults:
    """Is told what goes into a decoder and what is wrong with it, is given what comes out, and gives what is good."""

    def __init__(self, damage: Damage):
        self._damage = damage
        self._sent = -1
        self._inside: dict[int, int] = {}  # Time at which it is shown -> number, of what is in the decoder.
        self._awaited: set[int] = set()  # numbers of packets each of which has to make a frame
        self._held: list[_Held] = []
        self._faults: list[_Fault] = []
        self._number = 0

    def send(self, packet, makes_frame: bool = False) -> None:
        """Takes note of a packet before it is decoded; without a time its frame is known by the number in its place.

        Args:
          packet: the packet.
          makes_frame: whether it is damaged if no frame comes of it.
        """
        self._sent += 1
        if makes_frame:
            self._awaited.add(self._sent)
        if packet.pts is None:
            packet.pts = _NUMBERS + self._sent
        else:
            self._inside[packet.pts] = self._sent

    def bad(self, reason: str) -> None:
        """The packet sent last is damaged."""
        self._add(self._sent, reason)

    def lost(self, reason: str, before: int = 0) -> None:
        """Packets are missing behind the one sent last, or before the last one or more."""
        self._add(self._sent - before + 0.5, reason)

    def good(self, frame) -> Iterator:
        """Takes a frame that comes out of the decoder, and gives those that are now known to be good.

        Raises:
          UserError: a frame is damaged, and the video is to be refused then.
        """
        if frame.pts is None or frame.pts >= _NUMBERS:
            # Nothing is known of the order in which frames are shown.
            packet = self._sent if frame.pts is None else frame.pts - _NUMBERS
            self._inside.clear()
        else:
            packet = self._inside.pop(frame.pts, self._sent)
            self._give_up(frame.pts)
        if frame.is_corrupt:
            self._add(packet, "the decoder could not draw all of it")
        self._held.append(_Held(frame, packet))
        if len(self._held) > _MOST_HELD:  # Times that jump back: no codec's order is as mixed as that.
            self._inside.clear()
        oldest = min(self._inside.values(), default=self._sent + 1)
        while self._held and self._held[0].packet < oldest:
            yield from self._judged(self._held.pop(0))

    def rest(self) -> Iterator:
        """Gives the good ones of the last frames, when nothing is left in the decoder.

        Raises:
          UserError: as `good`.
        """
        self._give_up(_END)
        while self._held:
            yield from self._judged(self._held.pop(0))
        for fault in self._faults:
            self._tell(fault)
            self._close(fault)

    def _add(self, packet: float, reason: str) -> None:
        if all(fault.packet != packet for fault in self._faults):
            self._faults.append(_Fault(packet, reason, is_frame=packet % 1 != 0))

    def _give_up(self, time: float) -> None:
        """What was to be shown before does not come any more: not every packet makes a frame."""
        for shown, packet in sorted(self._inside.items()):
            if shown < time:
                del self._inside[shown]
                if packet in self._awaited:
                    self._add(packet, "no frame comes of it")
                self._held.append(_Held(None, packet))

    def _close(self, fault: _Fault) -> None:
        """Counts the damaged frame itself, if it never came and has no time that would have told so."""
        self._damage.left_out += not fault.is_frame

    def _judged(self, held: _Held) -> Iterator:
        due = [fault for fault in self._faults if fault.packet <= held.packet]
        for fault in due:
            self._tell(fault)
            fault.is_frame |= fault.packet == held.packet
        if held.frame is None:
            self._damage.left_out += bool(due)
            return
        if due and held.frame.key_frame and all(fault.packet < held.packet for fault in due):
            for fault in due:
                self._close(fault)
                self._faults.remove(fault)
            due = []
        self._damage.left_out += bool(due)
        self._number += 1
        if not due:
            yield held.frame

    def _tell(self, fault: _Fault) -> None:
        if not fault.told:
            fault.told = True
            self._damage.found(self._number, fault.reason)
            self._damage.holes += fault.packet % 1 != 0
