"""Forms of a project's pages."""

import re
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from django import forms

from llmcost import clock
from projects.models import ApiKey, Project, Scope
from projects.services import OVERLAPS

AREA = re.compile(
    r"(?:Africa|America|Antarctica|Arctic|Asia|Atlantic|Australia|Europe|Indian|Pacific)/"
)
# The zones that have a place's name, and UTC; aliases of an older kind are left out.
ZONES = ["UTC", *sorted(zone for zone in available_timezones() if AREA.match(zone))]
FURTHEST_YEARS = 10
USUAL_OVERLAP = timedelta(hours=24)
OVERLAP_LABELS = {
    timedelta(0): "not at all",
    timedelta(hours=1): "for 1 hour",
    timedelta(hours=24): "for 24 hours",
    timedelta(hours=72): "for 3 days",
    timedelta(days=7): "for 7 days",
}


class KeyForm(forms.ModelForm):
    """What a new key is called, what it may do and until when."""

    scopes = forms.MultipleChoiceField(
        label="It may",
        initial=[Scope.INGEST],
        widget=forms.CheckboxSelectMultiple,
        error_messages={
            "required": "Choose at least one: a key without any opens nothing.",
            "invalid_choice": "Your role does not let you give that right to a key.",
        },
    )
    kind = forms.ChoiceField(
        label="Marked as",
        choices=[("live", "Live"), ("test", "Test")],
        initial="live",
        widget=forms.RadioSelect,
        help_text="Only the prefix differs (llmc_live_, llmc_test_); both count in this project.",
    )
    last_day = forms.DateField(
        label="Last day",
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        error_messages={"invalid": "Write the day as 2027-12-31, or leave it empty."},
    )
    field_order = ("name", "note", "scopes", "kind", "last_day")

    class Meta:
        model = ApiKey
        fields = ("name", "note")
        help_texts = {
            "name": "Where it is used, so that you know what stops when you revoke it.",
            "note": "Optional: for your team. Never write the key itself here.",
        }

    def __init__(
        self, data: Any = None, *, project: Project, grantable: list[Scope], **kwargs: Any
    ) -> None:
        super().__init__(data, **kwargs)
        self._zone = ZoneInfo(project.timezone)
        self.fields["scopes"].choices = [(scope.value, scope.label) for scope in grantable]
        self.fields[
            "last_day"
        ].help_text = f"Optional: it stops at midnight after this day, {project.timezone}."

    def clean_last_day(self) -> date | None:
        """Take a day from today to ten years ahead."""
        day: date | None = self.cleaned_data["last_day"]
        today = clock.now().astimezone(self._zone).date()
        if day is not None and day < today:
            raise forms.ValidationError("This day is over: choose today or a later one.")
        if day is not None and day.year > today.year + FURTHEST_YEARS:
            raise forms.ValidationError(
                f"Choose a day within {FURTHEST_YEARS} years, or leave it empty for no end."
            )
        return day

    @property
    def expires_at(self) -> datetime | None:
        """The moment at which the key that was asked for stops."""
        day = self.cleaned_data["last_day"]
        if day is None:
            return None
        return datetime.combine(day + timedelta(days=1), time.min, self._zone)

    @property
    def choices(self) -> list[forms.BoundField]:
        """The fields that are shown as a group of boxes."""
        return [self["scopes"], self["kind"]]


class RotationForm(forms.Form):
    """How long a key works on beside the one that takes its place."""

    overlap = forms.TypedChoiceField(
        choices=[(str(int(one.total_seconds())), OVERLAP_LABELS[one]) for one in OVERLAPS],
        coerce=lambda seconds: timedelta(seconds=int(seconds)),
        initial=str(int(USUAL_OVERLAP.total_seconds())),
    )


class ProjectForm(forms.ModelForm):
    """A project's name and time zone."""

    timezone = forms.ChoiceField(
        label="Time zone",
        choices=[(zone, zone.replace("_", " ")) for zone in ZONES],
        initial="UTC",
        help_text="Days begin at midnight here. What was counted so far is shown anew in it.",
    )

    class Meta:
        model = Project
        fields = ("name", "timezone")
        help_texts = {"name": "One application, or one environment of it: prod, staging."}
        error_messages = {"name": {"required": "Give it a name."}}
