from tests.bot.inference.conftest import demo

__all__ = ["demo"]
