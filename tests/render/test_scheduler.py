from workstation.render.scheduler import Scheduler


def test_requests_are_gathered_and_the_active_view_goes_first():
    scheduler = Scheduler()
    for view in ("axial", "coronal", "axial", "sagittal", "coronal"):
        scheduler.request(view)
    assert scheduler.take("sagittal")
    assert not scheduler.take("sagittal")
    assert [scheduler.take_next() for _ in range(3)] == ["axial", "coronal", None]
    assert not scheduler


def test_a_waiting_view_keeps_its_turn_when_others_ask_again():
    scheduler = Scheduler()
    scheduler.request("coronal")
    for _ in range(5):
        scheduler.request("axial")
        assert scheduler.take("axial")
        scheduler.request("coronal")
    scheduler.request("sagittal")
    assert scheduler.take_next() == "coronal"
