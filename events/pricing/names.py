"""One provider under all its names, and the names under which a model is looked up."""

import re

# OpenTelemetry's well-known values (gen_ai.provider.name and the deprecated gen_ai.system) and
# names that SDKs and gateways use -> the catalogue's id.
_SAME = {
    "aws.bedrock": "aws",
    "aws_bedrock": "aws",
    "bedrock": "aws",
    "amazon": "aws",
    "azure.ai.openai": "azure",
    "azure.ai.inference": "azure",
    "az.ai.openai": "azure",
    "az.ai.inference": "azure",
    "azure_ai": "azure",
    "azure_openai": "azure",
    "gcp.gemini": "google",
    "gcp.gen_ai": "google",
    "gcp.vertex_ai": "google",
    "vertex_ai": "google",
    "vertex": "google",
    "gemini": "google",
    "google_genai": "google",
    "mistral_ai": "mistral",
    "mistralai": "mistral",
    "moonshot_ai": "moonshotai",
    "moonshot": "moonshotai",
    "x_ai": "x-ai",
    "xai": "x-ai",
    "together_ai": "together",
    "fireworks_ai": "fireworks",
    "z.ai": "zai",
    "z_ai": "zai",
    "voyage": "voyageai",
    "cloudflare.workers_ai": "cloudflare",
}
_BEDROCK_REGION = re.compile(
    r"^(?:us|us-gov|eu|apac|ap|jp|au|ca|sa|me|af|global)\.(?=[a-z0-9-]+\.)"
)


def canonical_provider(name: str) -> str:
    """Return the catalogue's id of a provider; a name we do not know stays as it was sent."""
    return _SAME.get(name.lower(), name)


def model_names(model: str) -> list[str]:
    """Return what to look a model up as: as sent, then without `models/` and Bedrock's region."""
    names = [model]
    if model.startswith("models/"):
        names.append(model.removeprefix("models/"))
    if _BEDROCK_REGION.match(model):
        names.append(_BEDROCK_REGION.sub("", model))
    return names
