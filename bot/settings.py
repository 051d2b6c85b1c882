"""One frozen Settings, read once, from the environment, .env and limner.toml (in this order of weight)."""

import re
import tomllib
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AliasChoices,
    BaseModel,
    ConfigDict,
    Field,
    HttpUrl,
    SecretStr,
    ValidationError,
    WebsocketUrl,
    field_validator,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)

from bot.errors import CannotStart
from bot.ports import Memory
from bot.quality import FEW_STEPS
from bot.styles import Style

PREFIX = "LIMNER_"
TOML = "limner.toml"


class StyleSetting(BaseModel):
    """A table of `[[styles]]` in limner.toml."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(pattern=r"^[\w-]{1,40}$")]
    lora: Annotated[str, Field(min_length=1)]
    weight: Annotated[float, Field(ge=-4, le=4)] = 1.0
    trigger: Annotated[str, Field(max_length=200)] = ""

    def style(self) -> Style:
        return Style(name=self.name, lora=self.lora, weight=self.weight, trigger=self.trigger)


class Settings(BaseSettings):
    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_file=".env",
        env_ignore_empty=True,
        toml_file=TOML,
        frozen=True,
        hide_input_in_errors=True,
        extra="ignore",
        populate_by_name=True,
        use_attribute_docstrings=True,
    )

    data_dir: Path = Path("data")
    """The folder of the index and the images."""
    http_host: str = "127.0.0.1"
    """The address to listen on. Any but a loopback address needs LIMNER_API_KEYS."""
    http_port: Annotated[int, Field(ge=0, le=65535)] = 8000
    """The port to listen on; 0 takes any free one."""
    api_keys: Annotated[tuple[SecretStr, ...], NoDecode] = ()
    """Keys for the HTTP API, separated by commas. Each key sees its own images only."""
    public_url: str | None = None
    """Where others reach this server, e.g. https://limner.example.org: for links to images, and for browsers behind a
    proxy."""
    model: str | None = None
    """demo, a folder in diffusers' format, or an ID on the Hugging Face hub. Not set: SDXL base 1.0 where a CUDA GPU is
    seen, else demo."""
    refiner: str | None = None
    """The same for the refiner. Not set: the one that belongs to the model. The word none: no refiner."""
    memory: Memory = Memory.AUTO
    """How much of the GPU's memory the models may hold: full, balanced, low, or auto, which looks at the GPU."""
    compile: bool = False
    """true compiles the base's UNet in the background. Needs a C++ compiler and the level full."""
    draft: str | None = None
    """lcm or lightning: drafts take 6 or 4 steps, with a LoRA that is fetched from the hub."""
    draft_lora: str | None = None
    """That LoRA, as a file or a hub ID. Not set: the published one."""
    styles: tuple[StyleSetting, ...] = ()
    """LoRAs that a request can name; as tables in limner.toml, or as JSON in one line: [{"name": "ink", "lora":
    "loras/ink.safetensors"}]."""
    image_check: str | None = None
    """A model that checks finished pictures: a folder or an ID on the Hugging Face hub, of diffusers' safety checker
    (CompVis/stable-diffusion-safety-checker) or of a classifier whose labels say nsfw. Not set: pictures are
    unchecked."""
    watermark: bool = True
    """off leaves the pixels as they were painted, without the invisible watermark that says that a machine did it."""
    certificate: Path | None = None
    """A file in PEM: the certificate that signs the content credentials of images, and those of who vouches for it.
    Not set: one that Limner makes itself, which nobody else trusts."""
    certificate_key: Path | None = None
    """A file in PEM: the private key of LIMNER_CERTIFICATE, without a passphrase."""
    executor: Literal["local", "ray"] = "local"
    """Where pictures are painted: local, in child processes on this machine, or ray, on a Ray cluster."""
    devices: str = "auto"
    """Which GPUs of this machine paint, by a worker each: auto for all, cpu for none, or some as CUDA names them, as in
    0,2."""
    ray_address: str | None = Field(None, validation_alias=AliasChoices("RAY_ADDRESS", "ray_address"))
    """The Ray cluster's head, as in 10.0.0.5:6379. Not set: the cluster that this machine belongs to."""
    step_timeout: Annotated[float, Field(gt=0)] = 300.0
    """Seconds without a sign of life, after which a worker that has jobs is replaced."""
    queue_limit: Annotated[int, Field(ge=1)] = 200
    """How many jobs may wait."""
    moderator_weight: Annotated[float, Field(ge=1, le=100)] = 1.0
    """How large a moderator's share of the work is while others wait too, beside the 1 of everybody else."""
    admin_weight: Annotated[float, Field(ge=1, le=100)] = 1.0
    """The same for admins. Where strangers may add the bot to servers of their own, they are admins there."""
    drain_seconds: Annotated[float, Field(ge=0)] = 60.0
    """Seconds that running jobs get to finish when Limner is told to stop."""
    retention_days: Annotated[float | None, Field(gt=0, allow_inf_nan=False)] = None
    """Days after which images, and jobs with their prompts, are erased for good. Not set: never."""
    hf_token: SecretStr | None = Field(None, validation_alias=AliasChoices("HF_TOKEN", "hf_token"))
    """The Hugging Face hub's token, for models that are gated or private."""
    discord_api_url: HttpUrl | None = None
    """The REST API, with its version, of another Discord than Discord's own, such as a proxy that limits the rate."""
    discord_gateway_url: WebsocketUrl | None = None
    """The gateway of that other Discord, ws:// or wss://."""
    discord_token: SecretStr | None = Field(None, validation_alias=AliasChoices("DISCORD_TOKEN", "discord_token"))
    """The Discord bot's token; connects Limner to Discord."""
    slack_admins: Annotated[tuple[str, ...], NoDecode] = ()
    """Slack user IDs, separated by commas, who are admins beside those of the workspace."""
    slack_api_url: HttpUrl | None = None
    """The Web API of another Slack than Slack's own, such as a proxy."""
    slack_bot_token: SecretStr | None = Field(None, validation_alias=AliasChoices("SLACK_BOT_TOKEN", "slack_bot_token"))
    """The Slack bot's token, xoxb-; connects Limner to Slack, with one of the next two."""
    slack_app_token: SecretStr | None = Field(None, validation_alias=AliasChoices("SLACK_APP_TOKEN", "slack_app_token"))
    """Slack's app-level token, xapp-, for Socket Mode."""
    slack_signing_secret: SecretStr | None = Field(
        None, validation_alias=AliasChoices("SLACK_SIGNING_SECRET", "slack_signing_secret")
    )
    """In place of the app-level token: Slack then sends what happens to this server, at /slack/events."""

    @field_validator("api_keys", "slack_admins", mode="before")
    @classmethod
    def _split(cls, keys: Any) -> Any:
        listed = keys.split(",") if isinstance(keys, str) else keys
        if not isinstance(listed, list | tuple):
            return listed
        stripped = [key.strip() if isinstance(key, str) else key for key in listed]
        return [key for key in stripped if key != ""]

    @field_validator("public_url")
    @classmethod
    def _address(cls, public_url: str | None) -> str | None:
        if public_url is not None and not re.fullmatch(r"https?://[^\s?#/][^\s?#]*", public_url):
            raise ValueError("must look like https://limner.example.org, without ? and #")
        return public_url and public_url.rstrip("/")

    @field_validator("data_dir")
    @classmethod
    def _expand_home(cls, data_dir: Path) -> Path:
        return data_dir.expanduser()

    @field_validator("slack_admins")
    @classmethod
    def _user_ids(cls, admins: tuple[str, ...]) -> tuple[str, ...]:
        if wrong := [admin for admin in admins if not re.fullmatch(r"[UW][A-Z0-9]{1,20}", admin)]:
            raise ValueError(f"{wrong[0]!r} is no user ID of Slack, which looks like U012AB3CD")
        return admins

    @field_validator("devices")
    @classmethod
    def _known_devices(cls, devices: str) -> str:
        names = [name.strip() for name in devices.split(",")]
        if not all(re.fullmatch(r"[\w/-]+", name) for name in names):
            raise ValueError("must be auto, cpu, or GPUs separated by commas, as in 0,2")
        return ",".join(names)

    @field_validator("draft")
    @classmethod
    def _known_draft(cls, draft: str | None) -> str | None:
        if draft is not None and draft not in FEW_STEPS:
            raise ValueError(f"must be one of {', '.join(FEW_STEPS)}, or not set")
        return draft

    @field_validator("styles")
    @classmethod
    def _names_differ(cls, styles: tuple[StyleSetting, ...]) -> tuple[StyleSetting, ...]:
        names = [*FEW_STEPS, *(style.name for style in styles)]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"the name {', '.join(twice)} is taken")
        return styles

    @model_validator(mode="after")
    def _keys_guard_the_open_door(self) -> "Settings":
        if not self.api_keys and not is_loopback(self.http_host):
            raise ValueError(
                f"LIMNER_HTTP_HOST is {self.http_host}, which others can reach, and LIMNER_API_KEYS is empty. "
                "Set LIMNER_API_KEYS to one or more secret keys, or LIMNER_HTTP_HOST to 127.0.0.1."
            )
        return self

    @model_validator(mode="after")
    def _certificate_and_key(self) -> "Settings":
        if (self.certificate is None) != (self.certificate_key is None):
            raise ValueError(
                "LIMNER_CERTIFICATE and LIMNER_CERTIFICATE_KEY belong together: set both, or none of them."
            )
        return self

    @property
    def secrets(self) -> list[str]:
        """All of them; for whoever must leave them out."""
        values = [value for name in type(self).model_fields for value in _listed(getattr(self, name))]
        return [value.get_secret_value() for value in values if isinstance(value, SecretStr)]

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, dotenv_settings, TomlConfigSettingsSource(settings_cls)


def read_settings(**overrides: Any) -> Settings:
    """Raises CannotStart with every mistake, each with the variable that holds it."""
    _check_toml()
    try:
        return Settings(**overrides)
    except ValidationError as error:
        raise CannotStart("\n".join(_sentence(mistake) for mistake in error.errors(include_input=False))) from error
    except SettingsError as error:
        # Of a variable that must be JSON.
        raise CannotStart(f"LIMNER_STYLES: {error.__cause__ or error}") from error
    except UnicodeDecodeError as error:
        raise CannotStart(f".env cannot be read: it is not UTF-8 ({error.reason} at byte {error.start}).") from error


def _listed(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)


def _check_toml() -> None:
    """A name that is misspelt there would be ignored without a word. Raises CannotStart."""
    try:
        written = tomllib.loads(Path(TOML).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return
    except (OSError, ValueError) as error:
        raise CannotStart(f"{TOML} cannot be read: {error}") from error
    tokens = {name.upper() for name in Settings.model_fields if name.endswith(("_token", "_secret"))}
    if unknown := sorted(written.keys() - Settings.model_fields.keys() - tokens):
        names = ", ".join(sorted(Settings.model_fields))
        raise CannotStart(f"{TOML}: there is no setting {', '.join(unknown)}. There are {names}.")


def _sentence(mistake: Any) -> str:
    message = str(mistake["msg"]).removeprefix("Value error, ")
    if not mistake["loc"]:
        return message
    name, *inside = map(str, mistake["loc"])
    where = ".".join([name if name.isupper() else PREFIX + name.upper(), *inside])
    return f"{where}: {message}"


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
