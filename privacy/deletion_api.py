"""The endpoints of deletion: erase an end user, follow the job, check a receipt."""

import json
from typing import Any, ClassVar
from uuid import UUID

from django.http import HttpResponse, StreamingHttpResponse
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from llmcost.api import schema
from llmcost.errors import InvalidParameter, NotFound
from llmcost.tenancy.context import tenant
from privacy import erasure, receipts
from privacy.exports import persons
from privacy.models import Erasure, Receipt
from projects.api import ProjectApi
from projects.models import Project, Scope

_RECEIPT = {
    "type": "object",
    "nullable": True,
    "properties": {
        "text": {"type": "string", "description": "What was signed: JSON."},
        "sha256": {"type": "string"},
        "signature": {"type": "string", "description": "Ed25519 over `text`, in base 64."},
    },
}
JOB = {
    "type": "object",
    "properties": {
        "id": {"type": "string", "format": "uuid"},
        "status": {"type": "string", "enum": list(Erasure.State.values)},
        "progress": {"type": "number", "description": "From 0 to 1."},
        "receipt": _RECEIPT,
    },
}


class UserApi(ProjectApi):
    """DELETE /v1/users/{user_id}, GET /v1/users/{user_id}/export"""

    scope: ClassVar[str] = Scope.ADMIN

    @extend_schema(
        operation_id="export_user",
        summary="Export an end user",
        description="All calls of one user id, by time, as lines of JSON or as CSV.",
        parameters=[OpenApiParameter("format", enum=list(persons.Form), default="json")],
        responses={
            **{(200, form.content_type): {"type": "string"} for form in persons.Form},
            **schema.errors(400, 401, 403, 404, 429, 503),
        },
    )
    def get(self, request: Request, user_id: str) -> StreamingHttpResponse:
        """Stream the calls."""
        user_id, _, last = user_id.rpartition("/")
        if last != "export" or not user_id:
            raise NotFound
        form = request.query_params.get("format", persons.Form.JSON)
        if form not in list(persons.Form):
            raise InvalidParameter("`format` must be json or csv.")
        form = persons.Form(form)
        caller = request.user
        with tenant(caller.account_id):
            project = Project.objects.get(account_id=caller.account_id, pk=caller.project_id)
            parts = persons.hand_out(project, user_id, form, by=None)
        return StreamingHttpResponse(parts, content_type=form.content_type)

    @extend_schema(
        operation_id="erase_user",
        summary="Erase an end user",
        description="Deletes or anonymises all calls of one user id; answers with a job.",
        parameters=[
            OpenApiParameter("mode", enum=list(Erasure.Mode.values), default="delete"),
            OpenApiParameter(
                "refuse_later", bool, description="Refuse later calls of this id.", default=False
            ),
        ],
        responses={202: JOB, **schema.errors(400, 401, 403, 404, 429, 503)},
    )
    def delete(self, request: Request, user_id: str) -> Response:
        """Ask for the erasure."""
        mode = request.query_params.get("mode", Erasure.Mode.DELETE)
        if mode not in Erasure.Mode.values:
            raise InvalidParameter("`mode` must be delete or anonymise.")
        later = request.query_params.get("refuse_later", "false")
        if later not in ("true", "false"):
            raise InvalidParameter("`refuse_later` must be true or false.")
        caller = request.user
        with tenant(caller.account_id):
            project = Project.objects.get(account_id=caller.account_id, pk=caller.project_id)
            asked = erasure.erase_user(
                project, user_id, mode=mode, refuse_later=later == "true", by=None
            )
        return Response(
            _shown(asked), status=202, headers={"Location": f"/v1/jobs/{asked.public_id}"}
        )


class JobApi(ProjectApi):
    """GET /v1/jobs/{id}"""

    scope: ClassVar[str] = Scope.ADMIN

    @extend_schema(
        operation_id="read_job",
        summary="Follow a job",
        responses={200: JOB, **schema.errors(401, 403, 404, 429, 503)},
    )
    def get(self, request: Request, job_id: UUID) -> Response:
        """Say how far it is."""
        caller = request.user
        with tenant(caller.account_id):
            asked = Erasure.objects.filter(
                account_id=caller.account_id, project_id=caller.project_id, public_id=job_id
            ).first()
        if asked is None:
            raise NotFound
        return Response(_shown(asked))


class ReceiptKeyApi(APIView):
    """GET /v1/receipts/key"""

    authentication_classes = ()
    permission_classes = ()

    @extend_schema(
        operation_id="read_receipt_key",
        summary="The key that checks receipts",
        responses={200: {"type": "object", "properties": {"public_key": {"type": "string"}}}},
    )
    def get(self, request: Request) -> HttpResponse:
        """Return the public half of the key that signs receipts."""
        return Response({"algorithm": "Ed25519", "public_key": receipts.public_key()})


def receipt_json(receipt: Receipt) -> dict[str, Any]:
    """Return a receipt as it is handed out; `text` is what was signed, `body` the same, read."""
    return {
        "text": receipt.text,
        "sha256": receipt.sha256,
        "signature": receipt.signature,
        "body": json.loads(receipt.text),
    }


def _shown(asked: Erasure) -> dict[str, Any]:
    receipt = Receipt.objects.get(number=asked.receipt_number) if asked.receipt_number else None
    return {
        "id": str(asked.public_id),
        "status": asked.state,
        "progress": asked.progress,
        "receipt": receipt_json(receipt) if receipt else None,
    }
