from pathlib import Path

import pytest
from facewire_edge.errors import UsageError
from facewire_train.shipped import initial_checkpoint


def test_file_is_taken_as_it_is() -> None:
    assert initial_checkpoint("runs/x/model.keras", "landmarks") == Path("runs/x/model.keras")


def test_unknown_shipped_model_is_refused_with_the_names_that_exist() -> None:
    with pytest.raises(UsageError, match="--init shipped:nothing: no such model ships"):
        initial_checkpoint("shipped:nothing", "landmarks")
