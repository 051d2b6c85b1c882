"""Modals and home tabs, as the Web API has them."""

from typing import TYPE_CHECKING

from tests.fakes.slack.messages import Json
from tests.fakes.slack.problems import Refused
from tests.fakes.slack.requests import Methods, Request

if TYPE_CHECKING:
    from tests.fakes.slack.server import FakeSlack

methods = Methods()


@methods("views.open")
def open_view(fake: "FakeSlack", request: Request) -> Json:
    return {"view": fake.views.open(request.text("trigger_id"), request.args.get("view")).payload}


@methods("views.update")
def update(fake: "FakeSlack", request: Request) -> Json:
    view_id, external_id = request.args.get("view_id"), request.args.get("external_id")
    if not view_id and not external_id:
        raise Refused("invalid_arguments", ["neither view_id nor external_id is there"])
    view = fake.views.update(view_id, external_id, request.args.get("view"), request.args.get("hash"))
    return {"view": view.payload}


@methods("views.publish")
def publish(fake: "FakeSlack", request: Request) -> Json:
    person = fake.people.get(request.text("user_id"))
    if person is None:
        raise Refused("user_not_found")
    return {"view": fake.views.publish(person, request.args.get("view"), request.args.get("hash")).payload}
