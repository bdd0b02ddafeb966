"""Who asks: a user with scopes, by a token or by a proxy that has asked already."""

from __future__ import annotations

from dataclasses import dataclass, field

from underbutler.records import Deed

from .refusals import ForbiddenError

__all__ = ["Principal"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Who asks.

    Parameters
    ----------
    user
        Whose jobs are theirs.
    scopes
        What they may do.
    repos
        Labels that they may read and write; None: all.
    origin
        The address that they ask from.
    credential
        Public part of the token that they showed; None: a proxy said who they are.
    access_token
        Their delegated token for remote repositories, if the proxy handed it on. It is in no repr.
    """

    user: str
    scopes: frozenset[str]
    repos: frozenset[str] | None = None
    origin: str = ""
    credential: str | None = None
    access_token: str | None = field(default=None, repr=False)

    @property
    def sees_all(self) -> bool:
        """Whether they see the jobs of others."""
        return "admin" in self.scopes

    def need(self, scope: str) -> None:
        """Refuse who may not do something.

        Raises
        ------
        ForbiddenError
            If they lack the scope.
        """
        if scope not in self.scopes and "admin" not in self.scopes:
            raise ForbiddenError(
                f"This needs the scope {scope!r}, and your token has {', '.join(sorted(self.scopes)) or 'none'}. Ask "
                f"whoever runs the service for one: `underbutler token create --scope {scope}`.",
                scope=scope,
            )

    def need_label(self, label: str, field_name: str) -> None:
        """Refuse a repository that the token is not good for.

        Raises
        ------
        ForbiddenError
            If it is not.
        """
        if self.repos is not None and label not in self.repos:
            raise ForbiddenError(
                f"{field_name}: your token is not good for the repository {label!r}, but for "
                f"{', '.join(sorted(self.repos)) or 'none'}.",
                field=field_name,
            )

    def may_use(self, *labels: str) -> bool:
        """Tell whether all these repositories are theirs to see; an empty label is nobody's."""
        return self.repos is None or all(label in self.repos for label in labels if label)

    def deed(self, action: str, subject: str, result: str = "ok") -> Deed:
        """Return a line of the audit."""
        return Deed(
            who=self.user,
            credential=self.credential,
            origin=self.origin,
            action=action,
            subject=subject,
            result=result[:2000],
        )
