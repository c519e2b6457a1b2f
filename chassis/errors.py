"""The closed set of errors that may leave a service, each registered for RPC.

    ServiceError
    ├── InvalidInput       the caller's words are wrong; ``field`` names the parameter
    ├── NotFound           what the caller names is not there
    ├── AlreadyExists      what the caller makes is there already
    ├── PreconditionFailed what the caller knows of it is no longer so
    ├── Unauthenticated    nobody, or nobody we know, is calling
    ├── PermissionDenied   we know who is calling, and they may not
    ├── LimitExceeded      a quota is used up; waiting does not help
    ├── Unavailable        a part is away or did not answer in time; try again
    └── DeadlineExceeded   somebody outside the system (the identity provider) did not answer

nameko (3.0.0rc11) rebuilds an error at the caller only if its *exact* class is registered, and
from ``args``: so raise these classes themselves, never a subclass.
"""

from nameko.exceptions import deserialize_to_instance


class ServiceError(Exception):
    """A refusal that the caller is meant to read.

    ``code`` is a slug that names the fact (``link_exists``) and is never reused; ``message`` is
    one sentence for a person; ``field`` is the parameter at fault, or empty. ``challenge`` is what
    HTTP's ``WWW-Authenticate`` shall say; it does not cross the bus.
    """

    challenge = ""

    def __init__(self, code: str, message: str = "", field: str = "") -> None:
        super().__init__(code, message, field)
        self.code = code
        self.message = message or code
        self.field = field

    def __str__(self) -> str:
        return self.message


@deserialize_to_instance
class InvalidInput(ServiceError):
    """The caller's words are wrong; ``field`` names the parameter."""


@deserialize_to_instance
class NotFound(ServiceError):
    """What the caller names is not there."""


@deserialize_to_instance
class AlreadyExists(ServiceError):
    """What the caller makes is there already."""


@deserialize_to_instance
class PreconditionFailed(ServiceError):
    """What the caller knows of something is no longer so."""


@deserialize_to_instance
class Unauthenticated(ServiceError):
    """Nobody, or nobody we know, is calling."""


@deserialize_to_instance
class PermissionDenied(ServiceError):
    """We know who is calling, and they may not."""


@deserialize_to_instance
class LimitExceeded(ServiceError):
    """A quota is used up; waiting does not help."""


@deserialize_to_instance
class Unavailable(ServiceError):
    """A part is away or did not answer in time; try again."""


@deserialize_to_instance
class DeadlineExceeded(ServiceError):
    """Somebody outside the system did not answer in time."""


KINDS: tuple[type[ServiceError], ...] = (
    InvalidInput,
    NotFound,
    AlreadyExists,
    PreconditionFailed,
    Unauthenticated,
    PermissionDenied,
    LimitExceeded,
    Unavailable,
    DeadlineExceeded,
)
