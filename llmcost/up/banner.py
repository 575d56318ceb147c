"""What a person sees on the terminal once the product answers."""

import json

RULE = "─" * 78


def show_address(port: int, seconds: float) -> None:
    """Say where the site is."""
    print(f"\n{RULE}\n  LLM Cost Tracker   http://127.0.0.1:{port}   (ready in {seconds:.1f} s)")
    print(f"  Ctrl-C stops everything.\n{RULE}", flush=True)


def show_demo(port: int, key: str) -> None:
    """Say how to get into the demo workspace and how to send an event to it."""
    event = json.dumps({"model": "gpt-4o", "input_tokens": 812, "output_tokens": 64})
    print(f"\n{RULE}\n  Send an event to the demo workspace:\n")
    print(f"  curl http://127.0.0.1:{port}/v1/events \\")
    print(f"    -H 'Authorization: Bearer {key}' \\")
    print(f"    -H 'Content-Type: application/json' -d '{event}'\n{RULE}", flush=True)
