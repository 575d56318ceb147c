"""Pages of an account as a whole: its end and the way back."""

from http import HTTPStatus

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from accounts import services
from accounts.access import member_page
from accounts.company.forms import ClosingForm, CompanyForm
from accounts.rights import Right


@require_http_methods(["GET", "HEAD", "POST"])
@member_page(Right.OWN_ACCOUNT)
def company(request: HttpRequest) -> HttpResponse:
    """GET, POST /account/company/: the company's name."""
    form = CompanyForm(request.POST or None, instance=request.account)
    if request.method == "POST" and form.is_valid():
        services.rename_account(request.account.pk, name=form.cleaned_data["name"], by=request.user)
        messages.success(request, "The name is changed.")
        return redirect("accounts:team")
    status = HTTPStatus.UNPROCESSABLE_ENTITY if form.errors else HTTPStatus.OK
    page = {"section": "Team", "form": form}
    return render(request, "accounts/company.html", page, status=status)


@require_http_methods(["GET", "HEAD", "POST"])
@member_page(Right.OWN_ACCOUNT, fresh=True, while_read_only=True)
def close(request: HttpRequest) -> HttpResponse:
    """GET, POST /account/close/: asks for the company's name, then closes."""
    form = ClosingForm(request.POST or None, account=request.account)
    page = {"section": "Data & privacy", "form": form, "days": services.KEPT_AFTER_CLOSING.days}
    if request.method == "POST" and form.is_valid():
        if services.close_account(request.account.pk, by=request.user):
            messages.success(request, "The account is closed. Its keys are refused from now on.")
        else:
            messages.info(request, "The account was closed already.")
        return redirect("accounts:close")
    status = HTTPStatus.UNPROCESSABLE_ENTITY if form.errors else HTTPStatus.OK
    return render(request, "accounts/close.html", page, status=status)


@require_POST
@member_page(Right.OWN_ACCOUNT, while_read_only=True)
def reopening(request: HttpRequest) -> HttpResponse:
    """POST /account/close/reopening/"""
    if services.reopen_account(request.account.pk, by=request.user):
        messages.success(request, "The account is open again, with everything it held.")
    else:
        messages.info(request, "The account is open already.")
    return redirect("accounts:team")
