from experiments.tracking.curves import images_after, on_common_axes


def test_the_last_batch_of_an_epoch_has_what_is_left() -> None:
    """Ten images in batches of four: 4, 8, 10 after the first epoch, and on."""
    assert [images_after(steps, 10, 4) for steps in range(8)] == [0, 4, 8, 10, 14, 18, 20, 24]


def test_stages_follow_each_other_on_both_axes() -> None:
    lines = [
        {"stage": "prune", "step": 2, "loss": 2.0, "epoch": 0},
        {"stage": "prune", "step": 3, "val_accuracy": 0.5, "epoch": 0},
        {"stage": "finetune", "step": 1, "loss": 1.0, "epoch": 0},
        {"stage": "scratch", "step": 3, "loss": 3.0, "epoch": 0},
        {"stage": "scratch_tune", "step": 3, "loss": 0.5, "epoch": 0},
    ]
    assert list(on_common_axes(lines, images=10, batch=4)) == [
        {"epoch": 0.8, "images_seen": 8, "prune/loss": 2.0},
        {"epoch": 1.0, "images_seen": 10, "prune/val_accuracy": 0.5},
        {"epoch": 1.4, "images_seen": 14, "finetune/loss": 1.0},
        {"epoch": 1.0, "images_seen": 10, "scratch/loss": 3.0},
        {"epoch": 2.0, "images_seen": 20, "scratch_tune/loss": 0.5},
    ]
