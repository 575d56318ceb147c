"""Forms of the pages that delete: what, and a word typed to be sure."""

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from django import forms

from privacy.models import Erasure
from projects.models import Project

CONFIRMATION = "delete"
WRONG_WORD = f"Type the word “{CONFIRMATION}”."


class ConfirmForm(forms.Form):
    """The word that is typed to be sure."""

    confirmation = forms.CharField(
        label=f"Type “{CONFIRMATION}” to confirm",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
        error_messages={"required": WRONG_WORD},
    )

    def clean_confirmation(self) -> str:
        """Want the word and no other."""
        word: str = self.cleaned_data["confirmation"].strip().lower()
        if word != CONFIRMATION:
            raise forms.ValidationError(WRONG_WORD)
        return word


class RetentionForm(forms.Form):
    """How long each project keeps its calls; empty: as long as the account lives."""

    def __init__(self, *args: Any, projects: list[Project], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._projects = projects
        for project in projects:
            self.fields[project.slug] = forms.IntegerField(
                label=project.name,
                required=False,
                min_value=1,
                max_value=36_500,
                initial=project.retention_days,
                help_text="Days. Empty: for as long as the account is there.",
            )

    @property
    def changes(self) -> list[tuple[Project, int | None]]:
        """Each project whose days are others now, with them."""
        chosen = [(project, self.cleaned_data[project.slug]) for project in self._projects]
        return [(project, days) for project, days in chosen if days != project.retention_days]


class _OfProject(forms.Form):
    """A form about one of the account's projects."""

    project = forms.ChoiceField(label="Project")

    def __init__(self, *args: Any, projects: list[Project], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._projects = {project.slug: project for project in projects}
        self.fields["project"].choices = [
            (one.slug, f"{one.name} (archived)" if one.archived_at else one.name)
            for one in projects
        ]

    @property
    def chosen(self) -> Project:
        """The project, once the form is valid."""
        return self._projects[self.cleaned_data["project"]]


class _Confirmed(_OfProject):
    """A form about a project, whose erasure is confirmed by a typed word."""

    confirmation = forms.CharField(
        label=f"Type “{CONFIRMATION}” to confirm",
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )

    @property
    def is_confirmed(self) -> bool:
        """Whether the word was typed; without it the page shows what would go, and asks."""
        return self.cleaned_data["confirmation"].strip().lower() == CONFIRMATION


class EndUserForm(_OfProject):
    """Which end user. Sent in the body of a POST always: a user id stands in no address."""

    user_id = forms.CharField(
        label="User id",
        max_length=200,
        strip=False,
        help_text="Exactly as your application sends it.",
        error_messages={"required": "Enter the user id."},
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )


class EraseUserForm(EndUserForm, _Confirmed):
    """Which end user, and what becomes of the calls."""

    mode = forms.ChoiceField(
        label="What becomes of the calls",
        choices=[
            (Erasure.Mode.DELETE, "Delete them; their cost leaves every sum"),
            (Erasure.Mode.ANONYMISE, "Keep the numbers under a random name that leads nowhere"),
        ],
        initial=Erasure.Mode.DELETE,
        widget=forms.RadioSelect,
    )
    refuse_later = forms.BooleanField(
        label="Refuse later calls of this user id (we keep a keyed hash of it)", required=False
    )
    field_order = ("project", "user_id", "mode", "refuse_later", "confirmation")


class DeleteSpanForm(_Confirmed):
    """A span of whole days in the project's time zone, or the whole project."""

    everything = forms.BooleanField(
        label="The whole project, with its keys and settings", required=False
    )
    first_day = forms.DateField(
        label="From", required=False, widget=forms.DateInput(attrs={"type": "date"})
    )
    last_day = forms.DateField(
        label="To, this day included",
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}),
    )
    field_order = ("project", "first_day", "last_day", "everything", "confirmation")

    def clean(self) -> dict[str, Any]:
        """Want either everything or a span that is one."""
        cleaned = super().clean() or {}
        first, last = cleaned.get("first_day"), cleaned.get("last_day")
        if cleaned.get("everything") or self.errors:
            return cleaned
        if not first or not last:
            raise forms.ValidationError("Choose the first and the last day, or the whole project.")
        if last < first:
            self.add_error("last_day", "The last day lies before the first.")
        return cleaned

    @property
    def span(self) -> tuple[datetime, datetime]:
        """The moments at which the span begins and ends (exclusive), in UTC."""
        zone = ZoneInfo(self.chosen.timezone)
        first, last = self.cleaned_data["first_day"], self.cleaned_data["last_day"]
        after = datetime.fromordinal(last.toordinal() + 1)
        return (
            datetime(first.year, first.month, first.day, tzinfo=zone).astimezone(UTC),
            after.replace(tzinfo=zone).astimezone(UTC),
        )
