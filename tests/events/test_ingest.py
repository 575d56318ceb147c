"""POST /v1/events: what is taken, what is refused, and with which words."""


def test_one_event_is_taken_and_priced(acme, api):
    answer = api(acme.key, "POST", "/v1/events", {"model": "gpt-5-mini", "input_tokens": 1000, "output_tokens": 204})

    assert answer.status_code == 200
    assert answer.json() == {"accepted": 1, "duplicates": 0, "rejected": [], "warnings": []}
    usage = api(acme.key, "GET", "/v1/usage").json()["data"]
    assert [(row["calls"], row["cost_usd"]) for row in usage] == [(1, "0.0006580000")]
