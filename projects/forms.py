"""Forms of a project's pages."""

from django import forms

from projects.models import ApiKey, Scope


class KeyForm(forms.ModelForm):
    """What a new key is called and what it may do."""

    scopes = forms.MultipleChoiceField(
        label="It may",
        choices=Scope.choices,
        initial=[Scope.INGEST],
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": "Choose at least one: a key without any opens nothing."},
    )
    kind = forms.ChoiceField(
        label="Marked as",
        choices=[("live", "Live"), ("test", "Test")],
        initial="live",
        widget=forms.RadioSelect,
        help_text="Only the prefix differs (llmc_live_, llmc_test_); both count in this project.",
    )

    class Meta:
        model = ApiKey
        fields = ("name",)
        help_texts = {"name": "Where it is used, so that you know what stops when you revoke it."}

    @property
    def choices(self) -> list[forms.BoundField]:
        """The fields that are shown as a group of boxes."""
        return [self["scopes"], self["kind"]]
