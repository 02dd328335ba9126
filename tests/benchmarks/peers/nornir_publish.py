"""nornir at its best: one Jinja environment and one compiled template for all hosts, 32 threads. Run by the peers' Python.

    python nornir_publish.py FOLDER OUT {check|write} [NAME=VALUE ...]
"""

import sys
from pathlib import Path

import jinja2
from nornir import InitNornir  # type: ignore[import-not-found, unused-ignore]  # a peer is not among our dependencies
from nornir.core.task import Result, Task  # type: ignore[import-not-found, unused-ignore]


def main(folder: str, out: str, mode: str, *names: str) -> None:
    environment = jinja2.Environment(trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True)
    template = environment.from_string((Path(folder) / "phone.cfg.j2").read_text())
    shared = dict(name.split("=", 1) for name in names)

    def publish(task: Task) -> Result:
        item = task.host["item"]
        wanted = template.render(shared, item=item)
        path = Path(out) / f"{item['mac']}.cfg"
        before = path.read_text() if path.exists() else None
        if wanted == before:
            return Result(host=task.host, changed=False)
        if mode == "write":
            path.write_text(wanted)
        return Result(host=task.host, changed=True)

    nornir = InitNornir(
        runner={"plugin": "threaded", "options": {"num_workers": 32}},
        inventory={"plugin": "SimpleInventory", "options": {"host_file": f"{folder}/hosts.yaml"}},
        logging={"enabled": False},
    )
    results = nornir.run(task=publish)
    if results.failed:
        sys.exit(str({host: str(result.exception) for host, result in results.failed_hosts.items()})[:500])
    print(sum(result.changed for result in results.values()), "changed")


if __name__ == "__main__":
    main(*sys.argv[1:])
