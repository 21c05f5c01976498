"""`jaxmix report`: tables, figures and one page of a study, all made from its runs alone."""

from dataclasses import dataclass
from pathlib import Path

from jaxmix.cli.studies import OfStudy, counted


@dataclass(frozen=True)
class Report(OfStudy):
    """Write the results of a study: a page, figures, tables, and the numbers to quote."""

    to: Path | None = None
    """Folder for the report; STUDY-report beside the file when left out."""

    def run(self) -> None:
        """Write the folder, and print how many runs are in it and where its page is."""
        from jaxmix.race.collecting import collected
        from jaxmix.race.curves import courses
        from jaxmix.race.paths import paths_of
        from jaxmix.race.summarizing import summarized
        from jaxmix.report.study_folder import study_files
        from jaxmix.report.writers import write_files

        study, store, plan = self.opened()
        content = collected(study, plan, store)
        paths = paths_of(plan, store, study.all_seeds[0], Path(study.folder))
        summary = summarized(content)
        to = self.study.with_name(f"{self.study.stem}-report") if self.to is None else self.to
        write_files(study_files(content, summary, courses(content), paths), to)
        print(counted(plan))
        print(to / "report.html")
