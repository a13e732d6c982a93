from trainer.training.training_job import backbone_directory


def test_a_backbone_has_its_saved_model_at_its_top_or_where_tfx_puts_it(tmp_path):
    assert backbone_directory(f"{tmp_path}/Format-Serving") == f"{tmp_path}/Format-Serving"
    (tmp_path / "saved_model.pb").touch()
    assert backbone_directory(f"{tmp_path}/Format-Serving") == str(tmp_path)
