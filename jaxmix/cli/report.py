"""`jaxmix report`: tables, figures and one page of a study, all made from its runs alone."""

from dataclasses import dataclass
from pathlib import Path

import tyro


@dataclass(frozen=True)
class Report:
    """Write the results of a study: a page, figures, tables, and the numbers to quote."""

    study: tyro.conf.Positional[Path]
    """The study's TOML file."""

    preset: str | None = None
    """Name of one of the study's presets."""

    out: Path | None = None
    """Folder of its runs; STUDY-runs beside the file when left out."""

    to: Path | None = None
    """Folder for the report; STUDY-report beside the file when left out."""

    def run(self) -> None:
        """Write the folder, and print how many runs are in it and where its page is."""
        from jaxmix.cli.studies import folder_of, opened, planned
        from jaxmix.race.collecting import collected
        from jaxmix.race.curves import courses
        from jaxmix.race.paths import paths_of
        from jaxmix.race.store import Store
        from jaxmix.race.summarizing import summarized
        from jaxmix.report.study_folder import study_files
        from jaxmix.report.writers import write_files

        study = opened(self.study, self.preset)
        plan = planned(self.study, self.preset, self.out)
        store = Store(folder_of(self.study, self.out))
        content = collected(study, plan, store)
        paths = paths_of(plan, store, study.all_seeds[0], Path(study.folder))
        summary = summarized(content)
        to = self.study.with_name(f"{self.study.stem}-report") if self.to is None else self.to
        write_files(study_files(content, summary, courses(content), paths), to)
        counts = summary["runs"]
        print(f"{counts['finished']} runs, {counts['failed']} failed, {counts['left']} left")
        print(to / "report.html")
