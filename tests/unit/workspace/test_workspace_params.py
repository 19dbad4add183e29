import pytest

from modelyard.connections import REPOSITORY
from modelyard.errors import YardError
from modelyard.workspace import params as parameters

TEXT = """\
# what an experiment may change

data:
  version: v1      # the current one
  months:
    v1: [1, 2, 3]
model:
  max_iter: 60
  learning_rate: 0.15
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text(TEXT)
    return path


def test_a_changed_value_leaves_comments_order_and_the_other_lines_as_they_were(file):
    parameters.write(file, {"model.max_iter": 80})
    assert file.read_text() == TEXT.replace("60", "80")


def test_a_comment_beside_the_changed_value_stays(file):
    parameters.write(file, {"data.version": "v2"})
    assert "version: v2      # the current one" in file.read_text()


def test_unchanged_values_do_not_touch_the_file(file):
    before = file.stat().st_mtime_ns
    parameters.write(file, {"model.max_iter": 60})
    assert file.stat().st_mtime_ns == before


def test_an_unknown_parameter_is_refused_with_those_that_there_are(file):
    with pytest.raises(YardError) as refused:
        parameters.write(file, {"model.max_itr": 80})
    assert "model.max_itr" in str(refused.value)
    assert "model.max_iter" in refused.value.allowed
    assert file.read_text() == TEXT


def test_nested_and_dotted_changes_are_the_same():
    assert parameters.flatten({"model": {"max_iter": 1}}) == parameters.flatten({"model.max_iter": 1})


@pytest.mark.parametrize(
    ("changes", "branch"),
    [
        ({"features.dep_delay_unit": "hours"}, "dep-delay-unit-hours"),
        ({"model.learning_rate": 0.15, "model.max_iter": 80}, "learning-rate-0.15-max-iter-80"),
        ({"a.b": "../x y~^:"}, "b-..-x-y"),
    ],
)
def test_changes_name_a_branch(changes, branch):
    assert parameters.slug(changes) == branch


def test_the_shipped_parameters_are_those_of_the_measured_model():
    held = parameters.read(REPOSITORY / "sample-model" / "params.yaml")
    assert held["model"] == {
        "max_iter": 60,
        "learning_rate": 0.15,
        "max_leaf_nodes": 15,
        "min_samples_leaf": 50,
        "l2_regularization": 1.0,
        "early_stopping": False,
    }
    assert held["data"]["months"] == {"v1": [1, 2, 3], "v2": [5, 6, 7]}
    assert held["holdout"]["fold"] == 2
