"""What a person sees on the terminal once the product answers."""

import json

RULE = "─" * 78
EVENT = {"model": "gpt-4o", "input_tokens": 812, "output_tokens": 64, "feature": "search"}


def show_address(port: int, seconds: float) -> None:
    """Say where the site is."""
    _show(
        f"LLM Cost Tracker   http://127.0.0.1:{port}   (ready in {seconds:.1f} s)",
        "Ctrl-C stops everything.",
    )


def show_demo(port: int, said: str, key: str) -> None:
    """Say how to get into the demo workspace and how to send a call to it, ready to paste."""
    _show(
        *said.splitlines(),
        "",
        "Send it a call:",
        "",
        f"curl http://127.0.0.1:{port}/v1/events \\",
        f"  -H 'Authorization: Bearer {key}' \\",
        f"  -H 'Content-Type: application/json' -d '{json.dumps(EVENT)}'",
    )


def _show(*lines: str) -> None:
    print("\n".join(["", RULE, *(f"  {line}".rstrip() for line in lines), RULE]), flush=True)
