"""SnapStart's hooks: what runs before the snapshot is taken, and after an environment is restored from it."""

from collections.abc import Callable


def on_snapshot(*, before: Callable[[], None], after: Callable[[], None]) -> None:
    """Call `before` ahead of the snapshot and `after` each restore.

    Source: AWS Lambda developer guide, "Implement code before or after Lambda function snapshots".
    """
    # Only Lambda's own runtime brings this module, and only a function with SnapStart needs it.
    import snapshot_restore_py

    snapshot_restore_py.register_before_snapshot(before)
    snapshot_restore_py.register_after_restore(after)
