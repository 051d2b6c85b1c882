"""What goes wrong, one function each. A new one needs no more than a name here: `@fault("what happens")`."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress

import psutil

from tests.chaos.program import STEP_TIMEOUT
from tests.chaos.worker import HUNGRY, POISON, TOO_LARGE
from tests.chaos.world import World

Fault = Callable[[World], Awaitable[None]]
FAULTS: dict[str, Fault] = {}

#: Seconds.
MINUTE = 60.0
OUTAGE = 16 * MINUTE
JUMP_MOST = 5 * 60 * MINUTE
#: Seconds that something lasts, at most.
LASTS = 1.5
#: Seconds that a write takes, at most.
SLOW = 0.2
#: Seconds in which a worker is replaced.
REPLACED = 5.0

#: Seconds in which a program comes up that can hear somebody, and how often they say it.
HEARD, TRIES = 30.0, 3

DISCORD = (
    ("POST", "/channels/{channel_id}/messages"),
    ("PATCH", "/channels/{channel_id}/messages/{message_id}"),
    ("DELETE", "/channels/{channel_id}/messages/{message_id}"),
    ("GET", "/channels/{channel_id}/messages"),
    ("POST", "/users/@me/channels"),
    ("POST", "/interactions/{interaction_id}/{interaction_token}/callback"),
    ("PATCH", "/webhooks/{webhook_id}/{webhook_token}/messages/@original"),
)
SLACK = (
    "chat.postMessage",
    "chat.update",
    "chat.delete",
    "chat.postEphemeral",
    "conversations.open",
    "conversations.info",
    "users.info",
    "files.getUploadURLExternal",
    "files.completeUploadExternal",
    "files.info",
    "upload",
    "views.open",
)


def fault(name: str) -> Callable[[Fault], Fault]:
    def add(one: Fault) -> Fault:
        FAULTS[name] = one
        return one

    return add


@fault("the server is killed")
async def kill_server(world: World) -> None:
    await world.kill_program()


@fault("the server is killed as it hears an answer")
async def kill_server_at_an_answer(world: World) -> None:
    """Then nobody hears the next ones."""
    await _some_answers(world)
    await world.kill_program()


@fault("the server is killed as it writes a file")
async def kill_server_at_a_file(world: World) -> None:
    world.weather.delay = SLOW
    images = world.data_dir / "images"
    await world.discord.bell.until(lambda: any(images.glob("*/*.tmp")), 2 * LASTS)
    await world.kill_program()
    world.weather.delay = 0.0


@fault("the server is stopped in an orderly way")
async def stop_server(world: World) -> None:
    await world.program.stop()


@fault("the server is away for a quarter of an hour")
async def outage(world: World) -> None:
    """Meanwhile Discord forgets nonces, and what answers to commands needs."""
    await _some_answers(world)
    await world.kill_program()
    for clock in (world.discord.clock, world.slack.clock):
        clock.advance(OUTAGE)
    world.weather.ahead += OUTAGE


@fault("a worker is killed")
async def kill_worker(world: World) -> None:
    await _until_it_paints(world)
    async with world.deadly():
        worker = await _signalled(world, signal.SIGKILL)
        await _until_replaced(world, worker, REPLACED)


@fault("a worker hangs")
async def hang_worker(world: World) -> None:
    """The watchdog ends it; one without jobs may be silent."""
    await _until_it_paints(world)
    async with world.deadly():
        worker = await _signalled(world, signal.SIGSTOP)
        if not await _until_replaced(world, worker, STEP_TIMEOUT + REPLACED) and worker is not None and world.running():
            world.program.wrong.append("a worker hung and was not replaced")
        # Where its program was killed meanwhile, nobody ends it.
        with suppress(psutil.Error):
            if worker is not None:
                worker.send_signal(signal.SIGCONT)


@fault("the memory is not enough for some jobs")
async def out_of_memory(world: World) -> None:
    await _asked_for(world, TOO_LARGE)


@fault("a worker is killed as the memory is full")
async def memory_full(world: World) -> None:
    await _asked_for(world, HUNGRY)


@fault("a job kills every worker that takes it")
async def poison(world: World) -> None:
    await _asked_for(world, POISON)


@fault("Discord's sockets are cut")
async def cut_discord(world: World) -> None:
    resumable = world.chance.random() < 0.7
    if world.chance.random() < 0.5:
        await world.discord.disconnect(resumable=resumable)
        return
    async with world.discord.cut_off(resumable=resumable):
        await asyncio.sleep(world.chance.uniform(0, LASTS))


@fault("Slack's sockets are cut")
async def cut_slack(world: World) -> None:
    if world.chance.random() < 0.5:
        await world.slack.disconnect(world.chance.choice([None, "refresh_requested"]))
        return
    async with world.slack.cut_off():
        await asyncio.sleep(world.chance.uniform(0, LASTS))


@fault("too many requests")
async def storm_of_429(world: World) -> None:
    for method, route in DISCORD:
        world.discord.limit(method, route, times=world.chance.randint(1, 4), retry_after=0.2)
    for name in SLACK:
        world.slack.limit(name, times=world.chance.randint(1, 4))


@fault("the platforms fail")
async def storm_of_5xx(world: World) -> None:
    """Whether what was asked for happens or not."""
    chance = world.chance
    for method, route in DISCORD:
        status, taken = chance.choice([500, 503, 503, 503]), chance.random() < 0.5
        world.discord.fail(method, route, status=status, times=chance.randint(1, 2), taken=taken)
    for name in SLACK:
        status, taken = chance.choice([500, 502, 503]), chance.random() < 0.5
        world.slack.fail(name, status=status, times=chance.randint(1, 3), taken=taken)


@fault("answers are lost")
async def lost_answers(world: World) -> None:
    for method, route in DISCORD:
        world.discord.fail(method, route, status=None, times=world.chance.randint(1, 3), taken=True)
    for name in SLACK:
        world.slack.fail(name, times=world.chance.randint(1, 3), taken=True)


@fault("the disk is slow")
async def slow_disk(world: World) -> None:
    world.weather.delay = world.chance.uniform(SLOW / 10, SLOW)
    await asyncio.sleep(LASTS)
    world.weather.delay = 0.0


@fault("the disk is full")
async def full_disk(world: World) -> None:
    if world.disk is None:
        return
    async with world.no_room():
        leave = world.chance.choice([0, 0, 2**13, 2**16])
        # The program may be quicker to take what is left.
        with suppress(OSError):
            world.disk.fill(leave=leave)
        await asyncio.sleep(world.chance.uniform(0.3, 2 * LASTS))
        world.disk.make_room()


@fault("the clock jumps")
async def jump(world: World) -> None:
    """And, some time later, again: perhaps back."""
    for _ in range(2):
        world.weather.ahead += world.chance.choice([-1, 1]) * world.chance.uniform(MINUTE, JUMP_MOST)
        await asyncio.sleep(world.chance.uniform(0, LASTS))


async def _some_answers(world: World) -> None:
    discord, slack = world.discord.requests, world.slack.requests
    number = len(discord) + len(slack) + world.chance.randint(1, 20)
    await world.discord.bell.until(lambda: len(discord) + len(slack) >= number, LASTS)


async def _asked_for(world: World, word: str) -> None:
    """Until a job was accepted that says so: not all that people ask for is heard."""
    number = world.jobs_that_say(word)
    for _ in range(TRIES):
        await world.discord.bell.until(world.is_up, HEARD)
        world.words.besides.append(word)
        if await world.discord.bell.until(lambda: world.jobs_that_say(word) > number, LASTS):
            return


async def _until_it_paints(world: World) -> None:
    await world.discord.bell.until(lambda: bool(world.running()), LASTS)


async def _signalled(world: World, number: signal.Signals) -> psutil.Process | None:
    """The worker that was sent it, where there is one."""
    worker = world.program.worker()
    if worker is not None:
        with suppress(ProcessLookupError):
            os.kill(worker.pid, number)
    return worker


async def _until_replaced(world: World, worker: psutil.Process | None, seconds: float) -> bool:
    def is_replaced() -> bool:
        now = world.program.worker()
        return not world.program.is_alive or (now is not None and now != worker)

    return await world.discord.bell.until(is_replaced, seconds) is not None
