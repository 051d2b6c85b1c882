"""Who hears which event."""

import asyncio
from contextlib import suppress

import pytest

from bot.events import Cancelled, Done, Event, Failed, Preview, Progress, Queued, Started
from bot.followers import Followers, Stream, newest
from bot.jobs import Failure

FAILED = Failed(Failure("out_of_memory", "The picture is too large."))


@pytest.fixture
def followers() -> Followers:
    return Followers()


def heard(stream: Stream) -> list[Event | None]:
    """All that was told so far."""
    return [stream.get_nowait() for _ in range(stream.qsize())]


def stream_of(*events: Event | None) -> Stream:
    stream: Stream = asyncio.Queue()
    for event in events:
        stream.put_nowait(event)
    return stream


def test_every_follower_hears_all_events_of_its_job_in_order(followers: Followers) -> None:
    events: list[Event] = [Queued(1), Started(), Progress(1, 1, 1, 2), Done(())]
    with followers.stream("job") as one, followers.stream("job") as two, followers.stream("other") as other:
        for event in events:
            followers.tell("job", event)

        assert (heard(one), heard(two), heard(other)) == (events, events, [])


def test_previews_are_for_those_who_asked_and_the_shortest_interval_counts(followers: Followers) -> None:
    assert followers.preview_interval("job") is None
    with followers.stream("job") as blind, followers.stream("job", 2.0) as looks:
        assert followers.preview_interval("job") == 2.0
        with followers.stream("job", 0.5):
            assert followers.preview_interval("job") == 0.5
        followers.tell("job", Preview(1, b"jpeg"))

        assert (heard(blind), heard(looks)) == ([], [Preview(1, b"jpeg")])
        assert followers.preview_interval("job") == 2.0


def test_a_follower_hears_nothing_of_what_was_told_before_it_came(followers: Followers) -> None:
    followers.tell("job", Queued(1))
    with followers.stream("job") as stream:
        followers.tell("job", Started())

        assert heard(stream) == [Started()]


def test_a_slow_follower_loses_nothing_and_holds_nobody_up(followers: Followers) -> None:
    events = [Progress(1, 1, step, 10_000) for step in range(10_000)]
    with followers.stream("job") as slow:
        for event in events:
            followers.tell("job", event)

        assert heard(slow) == events


def test_one_follower_that_leaves_does_not_take_the_others_along(followers: Followers) -> None:
    with followers.stream("job") as stays:
        with followers.stream("job") as leaves:
            pass
        followers.tell("job", Started())

        assert (heard(stays), heard(leaves)) == ([Started()], [])
        assert len(followers) == 1


def test_nobody_is_remembered_once_all_have_left_also_where_they_failed(followers: Followers) -> None:
    with suppress(RuntimeError), followers.stream("job"), followers.stream("job"), followers.stream("other"):
        assert len(followers) == 2
        raise RuntimeError

    assert len(followers) == 0


def test_nobody_needs_to_listen(followers: Followers) -> None:
    followers.tell("job", Started())
    followers.close("job")
    followers.close_all()

    assert len(followers) == 0


def test_the_followers_of_one_job_are_told_that_no_more_will_come(followers: Followers) -> None:
    with followers.stream("job") as stream, followers.stream("other") as other:
        followers.close("job")

        assert (heard(stream), heard(other)) == ([None], [])


def test_all_are_told_that_the_program_stops(followers: Followers) -> None:
    with followers.stream("job") as one, followers.stream("job") as two, followers.stream("other") as other:
        followers.close_all()

        assert [heard(stream) for stream in (one, two, other)] == [[None], [None], [None]]


@pytest.mark.parametrize(
    ("told", "last"),
    [
        ([], None),
        ([Queued(2)], Queued(2)),
        ([Queued(2), Queued(1), Started()], Started()),
        ([Started(), None], Started()),
        ([Started(), Preview(1, b"")], Started()),
        ([Preview(1, b"")], None),
        ([None], None),
        ([Started(), Cancelled(), Progress(1, 1, 1, 2)], Cancelled()),
        ([Done(()), Queued(1)], Done(())),
        ([FAILED, None], FAILED),
    ],
)
def test_the_newest_event_is_the_ending_or_what_was_told_last(told: list[Event | None], last: Event | None) -> None:
    assert newest(stream_of(*told)) == last


def test_what_was_told_before_the_newest_event_is_not_heard_again() -> None:
    stream = stream_of(Queued(2), Queued(1))

    assert newest(stream) == Queued(1)
    assert stream.empty()


def test_the_last_preview_is_still_heard_after_the_newest_event() -> None:
    stream = stream_of(Started(), Preview(1, b"first"), Progress(1, 1, 1, 4), Preview(1, b"second"))

    assert newest(stream) == Progress(1, 1, 1, 4)
    assert stream.get_nowait() == Preview(1, b"second")
    assert stream.empty()
