"""An explanation adds up to the score it explains, and names the words that made it."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from rakuten.data.split import stratified_folds
from rakuten.models.explanation import text_evidence
from rakuten.models.predictor import Predictor, Product
from rakuten.models.text_branch import TextBranch, fit_text_branch
from rakuten.params import TextBranchParams
from rakuten.settings import ProjectPaths
from rakuten.stages.train import TrainOutcome

Project = tuple[ProjectPaths, TrainOutcome]

WORDS = {0: "chaise", 1: "lampe", 2: "roman"}


@pytest.fixture(scope="module")
def branch() -> TextBranch:
    """A branch that tells three kinds of titles apart by one word each."""
    documents = [
        (f"belle {word} numero {number}", f"vendue avec {number % 7} pieces")
        for number in range(40)
        for word in WORDS.values()
    ]
    codes = np.tile(np.arange(3), 40)
    folds = stratified_folds(codes, folds=3, seed=0)
    params = TextBranchParams(hash_bits=16)
    return fit_text_branch(documents, codes, folds, classes=3, params=params, threads=1)[0]


@pytest.mark.parametrize("answer", WORDS)
def test_words_and_parts_add_up_to_the_text_score(branch: TextBranch, answer: int) -> None:
    document = ("belle chaise belle chaise de bureau", "vendue avec 3 lampes, l'une bleue")
    words, parts, base = text_evidence(branch, document, answer)
    score = branch.scores([document])[0, answer]
    assert sum(word.weight for word in words) + base == pytest.approx(score, abs=1e-5)
    assert sum(part.weight for part in parts) + base == pytest.approx(score, abs=1e-5)


def test_the_word_of_the_type_speaks_for_it_and_another_types_word_against(
    branch: TextBranch,
) -> None:
    words, parts, _ = text_evidence(branch, ("belle chaise lampe", ""), 0)
    weights = {word.text: word.weight for word in words}
    assert weights["chaise"] > 0 > weights["lampe"]
    assert abs(weights["belle"]) < min(abs(weights["chaise"]), abs(weights["lampe"]))
    assert {part.text for part in parts} >= {"chaise", " cha", "aise "}
    assert [abs(word.weight) for word in words] == sorted(map(abs, weights.values()), reverse=True)


def test_words_are_told_apart_by_their_field(branch: TextBranch) -> None:
    words, _, _ = text_evidence(branch, ("lampe", "lampe vendue"), 1)
    assert {(word.field, word.text) for word in words} == {
        ("designation", "lampe"),
        ("description", "lampe"),
        ("description", "vendue"),
    }


@pytest.mark.parametrize("document", [("", ""), ("", "xyzzy"), ("😀 日本", "")])
def test_text_that_says_nothing_has_no_weight(
    branch: TextBranch, document: tuple[str, str]
) -> None:
    words, parts, base = text_evidence(branch, document, 2)
    assert parts == []
    assert all(word.weight == 0 for word in words)
    assert base == branch.scores([document])[0, 2]


def test_votes_are_the_answers_that_each_modality_alone_would_get(
    trained_project: Project,
) -> None:
    paths, _ = trained_project
    predictor = Predictor.load(paths.model)
    photo = next(
        path for path in sorted(Path(paths.test_images).iterdir()) if path.stat().st_size > 1000
    )
    product = Product("Chaise de jardin en bois", "Lot de 2", photo)
    found = predictor.explain(product)
    answer = predictor.predict([product])[0]
    assert (found.prdtypecode, found.label) == (answer.prdtypecode, answer.label)
    assert found.probability == pytest.approx(answer.confidence, abs=1e-9)
    for vote in found.votes:
        alone = (
            dataclasses.replace(product, image=None)
            if vote.branch == "text"
            else Product(image=photo)
        )
        expected = predictor.predict([alone])[0]
        assert vote.prdtypecode == expected.prdtypecode
        assert vote.probability == pytest.approx(expected.confidence, abs=1e-6)
    assert {vote.branch for vote in found.votes} == {"text", "image"}


def test_a_product_without_anything_has_no_votes_and_no_words(trained_project: Project) -> None:
    found = Predictor.load(trained_project[0].model).explain(Product())
    assert found.votes == ()
    assert found.words == found.parts == ()
