"""Who may sign in: everybody, or those whom a list names."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from chassis import errors
from gateway.sign_in.providers import Person


@dataclass(frozen=True)
class Admission:
    """Lists of logins, organizations and e-mail domains, in lower case; one match is enough.

    With no list at all, whoever the provider vouches for may sign in. It is asked at each
    sign-in; who has signed in stays so until their tokens end.
    """

    logins: frozenset[str] = field(default_factory=frozenset)
    organizations: frozenset[str] = field(default_factory=frozenset)
    email_domains: frozenset[str] = field(default_factory=frozenset)

    def check(self, person: Person) -> None:
        """Raise ``not_admitted`` for whom no list names."""
        domain = person.email.rpartition("@")[2].lower()
        if (
            not (self.logins or self.organizations or self.email_domains)
            or person.admitted_as in self.logins
            or domain in self.email_domains
            or self.organizations & {group.lower() for group in person.groups}
        ):
            return
        raise errors.PermissionDenied(
            "not_admitted",
            "This account may not sign in here: ask whoever runs this Delinkcious.",
        )


def listed(text: str) -> frozenset[str]:
    """Return the entries of a comma-separated text, in lower case, but for ``oidc:SUBJECT``."""
    return frozenset(_entries(text))


def _entries(text: str) -> Iterable[str]:
    for entry in text.split(","):
        if stripped := entry.strip():
            yield stripped if stripped.startswith("oidc:") else stripped.lower()
