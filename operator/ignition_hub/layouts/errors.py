"""How a layout fails: with one reason, whichever program finds out."""

from ignition_hub.engine.errors import Reason, RequestError

PLAIN_REMEDY = "use the layout plain, and load model.engine in a program of your own"


class LayoutRefused(RequestError):
    """The engine cannot be served from the layout that the pod asks for; the message says why."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(Reason.UnsupportedLayout, message, remedy)
