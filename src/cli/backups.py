"""`backup`, `backups`, `verify`, `restore`, `delete` and `prune`."""

from contextlib import suppress

from src.backup import api as backups
from src.cli.context import Context, done, nothing
from src.cli.output import Ending, to_json
from src.cli.text_backups import backup_lines, decision_lines, listing_lines, restore_lines, unreadable_lines
from src.errors import PrerequisiteError
from src.migration import engine
from src.text import moment, plural, size


def cmd_backup(context: Context) -> Ending:
    """A backup counts once it has been restored elsewhere and compared: made and verified in one go."""
    age = context.arguments.if_older_than
    young = None if age is None else backups.is_young(context.url, context.backup_folders().places, age)
    if young is not None:
        where = "" if young.path.parent == context.backup_dir else f", in {young.path.parent},"
        return nothing(f"Nothing to do: {young.name}, verified{where or ','} was made {moment(young.created_at)}.")
    with suppress(PrerequisiteError):  # a database whose history cannot be read can be backed up
        context.refuse_while_running()
    inspection = engine.inspect(context.url)
    if not inspection.tables:
        raise PrerequisiteError(
            "There is nothing to back up: this database is empty."
            if inspection.empty
            else "There is nothing to back up: none of the tables is in schema public. `check` says more."
        )
    context.begin(backup_dir=str(context.backup_dir))
    made = backups.make_backup(
        context.url,
        context.backup_dir,
        schema_version=inspection.version or "unknown",
        on_progress=context.on_progress,
    )
    verified = backups.verify_backup(made, url=context.url, on_progress=context.on_progress)
    return done(
        f"Backup {verified.name} made and verified: {size(verified.bytes)}, {verified.path}",
        f"To put it back: python run_migration.py restore {verified.name}",
        {"backup": to_json(verified)},
    )


def cmd_backups(context: Context) -> Ending:
    found = backups.listing(context.backup_folders())
    value = {"backups": found.backups, "notes": found.notes, "unreadable": found.unreadable}
    context.renderer.show("backups", value, listing_lines(found, context.backup_dir))
    return done("", value={"count": len(found.backups)})


def cmd_verify(context: Context) -> Ending:
    backup = backups.find_in(context.backup_folders(), str(context.arguments.backup))
    context.begin(backup=backup.name)
    verified = backups.verify_backup(backup, url=context.url, on_progress=context.on_progress)
    return done(
        f"Backup {verified.name} is good: restored elsewhere, and equal in {len(verified.tables)} tables.",
        value={"backup": to_json(verified)},
    )


def cmd_restore(context: Context) -> Ending:
    backup = backups.find_in(context.backup_folders(), str(context.arguments.backup))
    context.refuse_while_running()
    preview = backups.preview_restore(context.url, backup, context.backup_dir)
    lines = [*backup_lines([backup], context.backup_dir), "", *restore_lines(preview)]
    context.renderer.show("restore", preview, lines)
    if preview.obstacles:
        raise PrerequisiteError(f"Refused, nothing was touched: {' '.join(preview.obstacles)}")
    context.ask("restore", backup=backup.name)
    outcome = backups.restore_backup(context.url, backup, context.backup_dir, on_progress=context.on_progress)
    context.renderer.show("result", outcome, outcome.notes)
    message = f"Restored {backup.name} ({outcome.how}): {len(outcome.tables)} tables, each equal to the backup."
    if outcome.old_database is not None:
        before = (
            f"As it was before, it is kept as the database {outcome.old_database}: drop it when you need it no more."
        )
    else:
        before = f"As it was before, it is in the backup {outcome.safety_backup}."
    return done(message, before, outcome)


def cmd_delete(context: Context) -> Ending:
    backup = backups.find_in(context.backup_folders(), str(context.arguments.backup))
    wanted, places = backups.usage_of(context.url).wanted, context.known_folders().places
    backups.refuse_deletion(backup, wanted, places)
    lines = [*backup_lines([backup], context.backup_dir), "", "It will be deleted for good."]
    context.renderer.show("delete", {"backup": to_json(backup)}, lines)
    context.ask("delete", backup=backup.name)
    backups.delete_backup(backup, wanted=wanted, places=places)
    return done(f"Deleted {backup.name}: {size(backup.bytes)} freed.")


def cmd_prune(context: Context) -> Ending:
    rule = context.arguments.rule
    assert rule is not None, "the parser asks for it"
    decisions = backups.preview(context.url, context.backup_dir, rule)
    going = [decision.backup.name for decision in decisions if decision.goes]
    value = [{"backup": one.backup.name, "goes": one.goes, "why": one.why} for one in decisions]
    unreadable = backups.listing(backups.folders(context.url, context.backup_dir)).unreadable
    context.renderer.show(
        "prune",
        {"verdicts": value, "unreadable": unreadable},
        [*decision_lines(decisions, context.backup_dir), *unreadable_lines(unreadable)],
    )
    if not going:
        return nothing("Nothing to do: no backup is to be deleted.")
    context.ask("prune", keep=rule.keep, days=rule.days)
    gone = backups.prune(context.url, context.backup_dir, rule, going)
    freed = size(sum(backup.bytes for backup in gone))
    return done(
        f"Deleted {plural(len(gone), 'backup')}: {freed} freed.", value={"deleted": [backup.name for backup in gone]}
    )
