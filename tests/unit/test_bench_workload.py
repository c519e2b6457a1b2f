"""The requests of the benchmark."""

from bench.load.workload import Person, Workload


def test_deletions_go_on_when_there_is_something_to_delete_again() -> None:
    workload = Workload("http://127.0.0.1:1", Person("w", "t"), Person("r", "t"))
    *_, deletion = workload.changes()
    assert next(deletion.requests) == b""
    workload._added.append("https://example.org/a")
    assert b"https://example.org/a" in next(deletion.requests)
    assert next(deletion.requests) == b""
