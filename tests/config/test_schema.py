from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import pytest
from pydantic import ValidationError

from config import yamlfile
from config.schema import Between, Endpoint, Generate, JsonlSource, Pipeline, Score, Verify, json_schema, resolved


def generate(**keys: Any) -> Generate:
    return Generate.model_validate({"type": "generate", "endpoint": "main", **keys})


def test_every_key_that_the_product_names_is_in_the_schema(catalogue: str) -> None:
    data = yamlfile.read(catalogue, "catalogue.yaml")[0]
    assert len(Pipeline.model_validate(data).stages) == 14


def test_the_json_schema_accepts_what_the_models_accept(catalogue: str) -> None:
    data = yamlfile.read(catalogue, "catalogue.yaml")[0]
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(data, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**data, "sede": 1}, schema)


@pytest.mark.parametrize("temperature", [0.5, [0.3, 1.0], {"min": 0.3, "max": 1.0}])
def test_the_json_schema_knows_what_may_be_written_once_or_as_a_list(temperature: object) -> None:
    stage = {"type": "generate", "endpoint": "main", "prompts": "x", "temperature": temperature}
    data = {"source": {"type": "jsonl", "path": "seeds.jsonl"}, "stages": [stage]}
    schema = json_schema()
    jsonschema.validate(data, schema)
    for wrong in ({"prompts": [5]}, {"stop": 5}, {"temperature": "hot"}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({**data, "stages": [stage | wrong]}, schema)


def test_the_resolved_pipeline_is_the_same_pipeline_again(catalogue: str) -> None:
    pipeline = Pipeline.model_validate(yamlfile.read(catalogue, "catalogue.yaml")[0])
    written = yamlfile.write(resolved(pipeline))
    assert Pipeline.model_validate(yamlfile.read(written, "resolved.yaml")[0]) == pipeline


@pytest.mark.parametrize(
    ("written", "shares"),
    [("main", {"main": 1}), (["a", "b", "a"], {"a": 2, "b": 1}), ({"big": 8, "small": 4}, {"big": 8, "small": 4})],
)
def test_the_endpoints_of_generate_are_shares_however_written(written: object, shares: dict[str, int]) -> None:
    assert generate(endpoint=written).endpoint == shares


def test_a_temperature_is_a_tuple_or_between_two() -> None:
    assert generate().temperature == ()
    assert generate(temperature=0.5).temperature == (0.5,)
    assert generate(temperature=[0, 1]).temperature == (0.0, 1.0)
    assert generate(temperature={"min": 0.2, "max": 1}).temperature == Between(min=0.2, max=1.0)


@pytest.mark.parametrize("written", ["hot", [0.1, "x"], True, [-1], {"min": 2, "max": 1}, {"min": 1}])
def test_other_temperatures_are_refused(written: object) -> None:
    with pytest.raises(ValidationError):
        generate(temperature=written)


def test_a_stage_is_named_by_its_type_unless_it_has_a_name() -> None:
    assert generate().name == "generate"
    assert generate(name="draft").name == "draft"


def test_a_template_file_is_read_into_the_text(tmp_path: Path) -> None:
    (tmp_path / "x.jinja").write_text("Solve {{ question }}", encoding="utf-8")
    data = {"type": "generate", "endpoint": "main", "prompts": [{"file": "x.jinja"}, "two"]}
    assert Generate.model_validate(data, context={"base_dir": tmp_path}).prompts == ("Solve {{ question }}", "two")


def test_a_json_schema_is_inline_or_a_file(tmp_path: Path) -> None:
    (tmp_path / "s.json").write_text('{"type": "object"}', encoding="utf-8")
    data = {"type": "verify", "check": "json_schema"}
    inline = Verify.model_validate({**data, "schema": {"type": "object"}})
    from_file = Verify.model_validate({**data, "schema": {"file": "s.json"}}, context={"base_dir": tmp_path})
    assert inline.schema_ == from_file.schema_ == {"type": "object"}


def test_paths_are_relative_to_the_base_folder(tmp_path: Path) -> None:
    source = JsonlSource.model_validate({"path": "data/x.jsonl"}, context={"base_dir": tmp_path})
    assert source.path == str(tmp_path / "data/x.jsonl")


def test_an_embedded_endpoint_has_16_calls_in_flight_unless_told_otherwise() -> None:
    assert Endpoint.model_validate({"embedded": "smollm2"}).limits.max_concurrency == 16
    assert (
        Endpoint.model_validate({"embedded": "smollm2", "limits": {"max_concurrency": 3}}).limits.max_concurrency == 3
    )
    assert Endpoint.model_validate({"base_url": "http://x/v1", "model": "m"}).limits.max_concurrency is None


def test_a_feature_may_be_just_its_weight() -> None:
    score = Score.model_validate({"features": {"steps": 0.5}})
    assert score.features.steps is not None
    assert (score.features.steps.weight, score.features.explanation) == (0.5, None)


def test_models_are_frozen() -> None:
    with pytest.raises(ValidationError):
        generate().candidates = 3  # type: ignore[misc]  # that it is an error is what is tested
