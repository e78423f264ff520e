"""The way from the prediction store to training: corrected labels become an input of DVC."""

from rakuten.flows.project import Project


def export_corrections(project: Project) -> str:
    """Write the corrected labels of the store to ``data/feedback``; says what was written."""
    from rakuten.stages.feedback import export_feedback  # type: ignore[import-not-found]

    return str(export_feedback(project.paths, project.settings))
