"""What is left of what somebody asked for."""

from tests.adapters.discord.conftest import Bot
from tests.adapters.discord.watching import asker
from tests.fakes.discord import Person


async def jobs(limner: Bot, person: Person) -> int:
    return len((await limner.service.belongings(asker(person))).jobs)


async def images(limner: Bot, person: Person) -> int:
    return len((await limner.service.belongings(asker(person))).images)


async def nothing(limner: Bot, person: Person) -> bool:
    """Nothing waits, nothing was noted, no picture was taken in."""
    status = await limner.service.status()
    idle = not status.queued and not status.running
    return idle and not await jobs(limner, person) and not await images(limner, person)
