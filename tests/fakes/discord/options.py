"""From Python values to what Discord sends with a command: options, and the things that they name."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tests.fakes.discord import message_payloads, payloads
from tests.fakes.discord.kinds import OptionType
from tests.fakes.discord.messages import Json, Upload

if TYPE_CHECKING:
    from tests.fakes.discord.places import Channel

#: Characters of a string option.
LONGEST_STRING = 6000


class Options:
    """Of one use of one command. `force`: with values that the person's client would not let through, too."""

    def __init__(self, channel: "Channel", command: Json, path: Sequence[str], *, force: bool = False) -> None:
        self._channel = channel
        self._force = force
        self._name = " ".join([command["name"], *path])
        self._path: list[Json] = []
        self.known: list[Json] = command["options"]
        self.resolved: dict[str, Json] = {}
        for word in path:
            self._step_into(word)
        if any(_leads_on(option) for option in self.known):
            names = [option["name"] for option in self.known]
            raise AssertionError(f"/{self._name} alone cannot be used; it has {names}.")

    def _step_into(self, word: str) -> None:
        for option in self.known:
            if _leads_on(option) and option["name"] == word:
                self._path.append(option)
                self.known = option.get("options") or []
                return
        raise AssertionError(f"/{self._name}: there is no subcommand {word!r}.")

    def fill(self, values: Mapping[str, Any]) -> list[Json]:
        """All that are required must be there."""
        missing = [one["name"] for one in self.known if one.get("required") and one["name"] not in values]
        assert not missing, f"/{self._name} needs {missing}."
        return self._nested(self._given(values))

    def fill_partly(self, values: Mapping[str, Any], focused: str, typed: str) -> list[Json]:
        """While the person is still typing into one of them."""
        option = self._known(focused)
        assert option.get("autocomplete"), f"/{self._name}: {focused!r} has no autocomplete."
        here = {"name": focused, "type": option["type"], "value": typed, "focused": True}
        return self._nested([*self._given(values), here])

    def _given(self, values: Mapping[str, Any]) -> list[Json]:
        given = []
        for name, value in values.items():
            option = self._known(name)
            given.append({"name": name, "type": option["type"], "value": self._value(option, value)})
        return given

    def _nested(self, options: list[Json]) -> list[Json]:
        for step in reversed(self._path):
            options = [{"name": step["name"], "type": step["type"], "options": options}]
        return options

    def _known(self, name: str) -> Json:
        for option in self.known:
            if option["name"] == name:
                return option
        raise AssertionError(f"/{self._name} has no option {name!r}; it has {[one['name'] for one in self.known]}.")

    def _value(self, option: Json, value: Any) -> Any:
        kind = OptionType(option["type"])
        match kind:
            case OptionType.USER:
                return self._resolve_person(value)
            case OptionType.CHANNEL:
                return self._resolve_channel(value)
            case OptionType.ATTACHMENT:
                return self._resolve_upload(value)
        takes: dict[OptionType, tuple[type, ...]] = {
            OptionType.STRING: (str,),
            OptionType.INTEGER: (int,),
            OptionType.BOOLEAN: (bool,),
            OptionType.NUMBER: (int, float),
        }
        fits = isinstance(value, takes[kind]) and (kind is OptionType.BOOLEAN or not isinstance(value, bool))
        assert fits, f"/{self._name}: {option['name']!r} takes a {kind.name}, not {value!r}."
        if not self._force:
            self._check_range(option, value)
        return value

    def _check_range(self, option: Json, value: Any) -> None:
        """What the person's client does not let through."""
        choices = [choice["value"] for choice in option.get("choices") or ()]
        measure = len(value) if isinstance(value, str) else value
        low = option.get("min_length" if isinstance(value, str) else "min_value")
        high = option.get("max_length" if isinstance(value, str) else "max_value")
        if high is None and isinstance(value, str):
            high = LONGEST_STRING
        obstacle = None
        if choices and value not in choices:
            obstacle = f"not one of {choices}"
        elif low is not None and measure < low:
            obstacle = f"less than {low}"
        elif high is not None and measure > high:
            obstacle = f"more than {high}"
        assert not obstacle, f"/{self._name}: {option['name']!r} is {obstacle}: {value!r}."

    def _resolve_person(self, person: Any) -> str:
        key = str(person.id)
        self.resolved.setdefault("users", {})[key] = payloads.user(person)
        guild = self._channel.guild
        if guild and person.id in guild.members:
            permissions = {"permissions": str(self._channel.permissions_of(person))}
            self.resolved.setdefault("members", {})[key] = payloads.member(guild, person) | permissions
        return key

    def _resolve_channel(self, channel: "Channel") -> str:
        key = str(channel.id)
        permissions = {"permissions": str(channel.permissions_of(channel.fake.bot))}
        self.resolved.setdefault("channels", {})[key] = payloads.channel(channel) | permissions
        return key

    def _resolve_upload(self, upload: Upload) -> str:
        assert isinstance(upload, Upload), f"/{self._name}: a file is an Upload, not {upload!r}."
        attachment = self._channel.fake.cdn.keep(upload, self._channel.id)
        key = str(attachment.id)
        told = message_payloads.attachment(attachment, ephemeral=True)
        self.resolved.setdefault("attachments", {})[key] = told
        return key


def _leads_on(option: Json) -> bool:
    return option["type"] in (OptionType.SUBCOMMAND, OptionType.GROUP)
