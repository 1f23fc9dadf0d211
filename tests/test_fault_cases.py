"""Which test shows which fault of storage, network, untrusted containers and checkpoints.

Cases 29 to 42, 45 and 46; those of files, series and containers are in
tests/io/test_bad_input_cases.py. Of 42, nothing is here: the program writes no HL7. Of 45, no XML
is read at all, which is shown; JSON is limited in size and depth.

===== ======================================================== =============================
case  test                                                     in tests
===== ======================================================== =============================
29    test_a_full_disk_leaves_the_archive_as_it_was            archive/test_intake.py
29    test_a_full_disk_leaves_no_half_file                     archive/test_file_store.py
29    test_a_disk_that_takes_no_more_loses_nothing             archive/test_report_archive.py
29    test_a_full_disk_keeps_the_old_index model_runtime/retrieval/test_full_disk.py
30    test_an_import_that_is_killed_leaves_whole_series        archive/test_kill.py
30    test_saving_that_is_killed_leaves_whole_versions         archive/test_kill.py
31    test_a_damaged_file_is_refused_and_left_as_it_is         archive/test_report_archive.py
31    test_a_damaged_archive_names_its_backup                  archive/test_migrations.py
31    test_a_lost_archive_is_not_begun_anew_where_its_backup_lies archive/test_migrations.py
31    test_a_locked_sqlite_archive_is_said_and_can_be_read     archive/test_faults.py
31    test_a_read_only_folder_is_named                         archive/test_report_archive.py
31    test_a_connection_that_was_cut_is_made_again             archive/test_faults.py
32    test_a_newer_archive_is_refused                          archive/test_migrations.py
32    test_a_backup_of_before_lies_beside_it                   archive/test_migrations.py
32    test_each_older_version_is_migrated                      archive/test_migrations.py
33    test_many_windows_save_at_once_and_every_version_is_kept archive/test_windows.py
33    test_two_windows_on_one_study_keep_both_drafts           archive/test_windows.py
34    test_damage_is_refused                                   model_runtime/retrieval/test_index.py
34    test_another_models_vector_is_refused                    model_runtime/retrieval/test_index.py
35    test_versions_of_any_time_zone_are_in_order_and_in_utc   archive/test_clock.py
35    test_a_clock_set_back_changes_no_order_and_no_trail      archive/test_clock.py
36    test_nobody_listens                                      io/pacs/test_find.py
36    test_a_peer_that_accepts_and_never_answers               io/pacs/test_find.py
36    test_a_dropped_link_is_resumed_with_what_is_missing      io/pacs/test_retrieve.py
36    test_a_link_that_stays_down_leaves_a_part_that_a_later_call_completes io/pacs/test_retrieve.py
36    test_a_pacs_that_lost_images_leaves_a_part_that_fills_up io/pacs/test_into_archive.py
36    test_a_peer_that_takes_the_question_and_never_answers    io/pacs/test_silence.py
36    test_a_web_service_that_never_answers                    io/pacs/test_silence.py
36    test_closing_does_not_wait_for_a_silent_peer end_to_end/test_query_window.py
37    test_a_peer_that_claims_a_huge_pdu                       io/pacs/test_find.py
37    test_hostile_bytes_end_their_connection_only             io/pacs/test_receiver.py
37    test_an_instance_over_the_limit_is_dropped               io/pacs/test_receiver.py
38    test_names_never_come_from_the_peer                      io/pacs/test_receiver.py
38    test_names_from_outside_are_never_used                   archive/test_file_store.py
39    test_who_is_not_on_the_list_is_refused                   io/pacs/test_receiver.py
39    test_too_many_associations_are_refused                   io/pacs/test_receiver.py
39    test_200_associations_at_once_leave_the_receiver_alive   io/pacs/test_crowd.py
40    test_tls_both_ways_and_nothing_else                      io/pacs/test_receiver.py
40    test_a_certificate_out_of_its_time_is_refused            io/pacs/test_crowd.py
41    test_a_dropped_link_goes_on_with_the_rest                io/pacs/test_sending.py
41    test_a_link_that_stays_down_is_told_and_a_later_call_goes_on io/pacs/test_sending.py
41    test_a_killed_program_goes_on                            io/pacs/test_sending.py
41    test_a_refusal_is_not_tried_again                        io/pacs/test_sending.py
41    test_an_interrupted_sending_goes_on                      io/pacs/test_dicomweb.py
41    test_what_a_service_takes_only_in_part_is_told_by_file_and_sent_once io/pacs/test_dicomweb.py
41    test_failed_suboperations_make_it_incomplete             io/pacs/test_retrieve.py
41    test_other_content_under_the_same_uid_is_kept_beside     io/pacs/test_receiver.py
45    test_no_module_reads_xml                                 test_fault_cases.py
45    test_damage_is_refused_and_named model_runtime/checkpoints/test_refusals.py
45    test_a_report_nested_without_end_is_damaged              test_fault_cases.py
46    test_pickles_are_refused_unseen model_runtime/checkpoints/hub/test_hub.py
46    test_verifying_finds_a_byte_that_changed model_runtime/checkpoints/test_store.py
46    test_damage_is_refused_and_named model_runtime/checkpoints/test_refusals.py
46    test_a_damaged_folder_leaves_nothing_behind model_runtime/checkpoints/test_store.py
===== ======================================================== =============================
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from workstation.core.errors import StorageError
from workstation.core.report_json import from_json

TESTS = Path(__file__).parent
CASES = [*range(29, 42), 45, 46]
_PARSERS = ("xml", "lxml", "defusedxml", "bs4", "html5lib", "xmltodict")


def test_every_case_names_a_test_that_exists() -> None:
    named = re.findall(r"^(\d+) +(test_\w+) +(\S+\.py)$", __doc__, re.MULTILINE)
    assert sorted({int(case) for case, _, _ in named}) == CASES
    assert len(named) == len([line for line in __doc__.splitlines() if line[:2].isdigit()])
    for _, test, file in named:
        assert f"def {test}(" in (TESTS / file).read_text(encoding="utf-8"), (test, file)


def _imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
    return names


def test_no_module_reads_xml() -> None:
    """Writing escapes letters; whoever reads XML must do so with defusedxml and a limit."""
    files = [path for part in ("workstation", "model_runtime") for path in
             (TESTS.parent / part).rglob("*.py")]  # fmt: skip
    assert len(files) > 200
    found = {
        f"{path.name}: {name}"
        for path in files
        for name in _imported(path)
        if name.split(".")[0] in _PARSERS and name != "xml.sax.saxutils"
    }
    assert found == set()


@pytest.mark.parametrize("text", ["[" * 99_999, '{"a":' * 99_999])
def test_a_report_nested_without_end_is_damaged(text: str) -> None:
    with pytest.raises(StorageError, match="damaged"):
        from_json(text, "this report")
