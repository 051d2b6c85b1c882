"""Modals and home tabs."""

from typing import TYPE_CHECKING, Any

from tests.fakes.slack import blocks as kit
from tests.fakes.slack import payloads
from tests.fakes.slack.asked import PATIENCE, Asked
from tests.fakes.slack.messages import Json
from tests.fakes.slack.problems import Refused, invalid_blocks
from tests.fakes.slack.rules import view_breaches

if TYPE_CHECKING:
    from tests.fakes.slack.people import Person
    from tests.fakes.slack.server import FakeSlack

#: Modals on top of each other.
MOST_VIEWS = 3


class View:
    def __init__(self, fake: "FakeSlack", form: Json, person: "Person", below: "View | None" = None) -> None:
        self.fake = fake
        self.id = fake.ids.new("V")
        self.person = person
        #: On which it lies.
        self.below = below
        self.closed = False
        self.state: Json = {}
        self.fill(form)

    def __repr__(self) -> str:
        return f"<View {self.callback_id!r}: {self.texts}>"

    def fill(self, form: Json) -> None:
        self._form = form
        self.blocks = kit.numbered(form["blocks"], self.fake.ids)
        self.hash = f"{self.fake.ids.timestamp()}.h"
        self.state = payloads.state(self.blocks)

    @property
    def type(self) -> str:
        kind: str = self._form["type"]
        return kind

    @property
    def title(self) -> str:
        title: str = (self._form.get("title") or {}).get("text", "")
        return title

    @property
    def callback_id(self) -> str:
        return self._form.get("callback_id") or ""

    @property
    def private_metadata(self) -> str:
        return self._form.get("private_metadata") or ""

    @property
    def external_id(self) -> str:
        return self._form.get("external_id") or ""

    @property
    def notify_on_close(self) -> bool:
        return bool(self._form.get("notify_on_close"))

    @property
    def texts(self) -> list[str]:
        return kit.texts(self.blocks)

    @property
    def shown(self) -> str:
        return "\n".join(self.texts)

    @property
    def payload(self) -> Json:
        """As Slack tells it, with what is filled in."""
        form = {"submit": None, "close": None, "title": None, "clear_on_close": False, "notify_on_close": False}
        told = {
            **form,
            **self._form,
            "id": self.id,
            "team_id": self.person.team.id,
            "blocks": self.blocks,
            "private_metadata": self.private_metadata,
            "callback_id": self.callback_id,
            "external_id": self.external_id,
            "state": self.state,
            "hash": self.hash,
            "previous_view_id": self.below.id if self.below else None,
            "root_view_id": self.root.id,
            "app_id": self.fake.app_id,
            "app_installed_team_id": self.person.team.id,
            "bot_id": self.fake.bot_id,
        }
        return told if self.type == "modal" else {key: one for key, one in told.items() if key not in form}

    @property
    def root(self) -> "View":
        return self.below.root if self.below else self

    def close(self) -> None:
        self.closed = True


class Views:
    def __init__(self, fake: "FakeSlack") -> None:
        self._fake = fake
        self.views: dict[str, View] = {}
        #: By the person's ID.
        self.homes: dict[str, View] = {}

    def open(self, trigger_id: Any, form: Any) -> View:
        """In answer to what the trigger came with, on top of the modal that it came from."""
        asked = next((one for one in self._fake.asked.values() if one.trigger_id == trigger_id), None)
        if asked is None:
            raise Refused("invalid_trigger_id")
        if asked.triggered:
            raise Refused("exchanged_trigger_id")
        if asked.age > PATIENCE:
            raise Refused("expired_trigger_id")
        below = asked.source if asked.source and asked.source.type == "modal" and not asked.source.closed else None
        view = self.push(asked, form, below)
        asked.triggered = True
        return view

    def push(self, asked: Asked, form: Any, below: View | None) -> View:
        self._check(form, "modal")
        depth, lower = 1, below
        while lower:
            depth, lower = depth + 1, lower.below
        if depth > MOST_VIEWS:
            raise Refused("push_limit_reached", [f"there are {depth} modals on top of each other"])
        view = View(self._fake, form, asked.person, below)
        self._keep(view)
        asked.view = view
        return view

    def update(self, view_id: Any, external_id: Any, form: Any, hash: Any) -> View:
        views = [one for one in self.views.values() if not one.closed]
        named = [one for one in views if one.id == view_id or (external_id and one.external_id == external_id)]
        if not named:
            raise Refused("not_found")
        view = named[0]
        if hash and hash != view.hash:
            raise Refused("hash_conflict")
        self._check(form, view.type)
        view.fill(form)
        return view

    def publish(self, person: "Person", form: Any, hash: Any) -> View:
        if not self._fake.manifest.home_tab:
            raise Refused("not_enabled", ["the manifest does not switch the home tab on"])
        self._check(form, "home")
        before = self.homes.get(person.id)
        if before and hash and hash != before.hash:
            raise Refused("hash_conflict")
        if before:
            before.fill(form)
            return before
        view = self.homes[person.id] = View(self._fake, form, person)
        self._keep(view)
        return view

    def clear(self, view: View) -> None:
        """All that lie on top of each other."""
        for one in self.views.values():
            if one.root is view.root and one.type == "modal":
                one.close()

    def _keep(self, view: View) -> None:
        same = [one for one in self.views.values() if one.external_id == view.external_id and not one.closed]
        if view.external_id and same:
            raise Refused("duplicate_external_id")
        self.views[view.id] = view

    def _check(self, form: Any, type: str) -> None:
        breaches = view_breaches(form)
        if not breaches and form["type"] != type:
            breaches = [f"a view of type {form['type']!r}, not {type!r}"]
        if breaches:
            raise Refused("invalid_arguments", breaches, response_metadata={"messages": breaches})
        if strange := [one for one in kit.pictures(form["blocks"]) if not self._can_be_shown(one)]:
            raise invalid_blocks([f"invalid slack file: {one}" for one in strange])

    def _can_be_shown(self, picture: Json) -> bool:
        return "slack_file" not in picture or self._fake.file_host.can_be_shown(picture)
