"""`hedx party keys`: a party's seal keys, looked after once; an adapter does it every hour by itself."""

from __future__ import annotations

import click

from pipeline.center.installation import Installation
from pipeline.cli import cluster, options
from pipeline.cli.output import emit, remark
from pipeline.crypto.certificates import common_name
from pipeline.settings import data_dir
from pipeline.signer.client import open_identity


@click.command()
@options.member
@click.option("--publish", is_flag=True, help="Put the statements of new keys on hedx.checkpoints, too.")
@cluster.bootstrap_later
@options.as_json
def command(party: str, publish: bool, bootstrap: str | None, as_json: bool) -> None:
    """Make the party's next seal key when it is due and destroy the keys that nobody can need any more.

    For the center, which has no adapter: run it with --publish from a timer, once a day or more often.
    """
    identity_folder = Installation(data_dir()).identity_folder(party)
    published: list[int] = []
    if publish:
        from pipeline.app import publish_seal_keys

        extra = cluster.security(common_name(party))
        published = publish_seal_keys(identity_folder, cluster.resolve(bootstrap), extra)
    with open_identity(identity_folder) as identity:
        waiting = [number for number, _ in identity.tend()]
    emit({"party": party, "published": published, "waiting": waiting}, as_json)
    if waiting and not as_json:
        remark("nobody seals to a key whose statement waits: hedx party keys --publish")
