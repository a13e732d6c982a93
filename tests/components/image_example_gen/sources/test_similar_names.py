import unicodedata

from components.image_example_gen.sources.similar_names import similar_names


def test_names_that_differ_by_case_or_normalisation():
    composed, decomposed = (unicodedata.normalize(form, "Gänseblümchen") for form in ("NFC", "NFD"))
    assert composed != decomposed
    names = ["Roses", "daisy", "roses", composed, "tulips", decomposed, "STRASSE", "straße"]
    expected = [["Roses", "roses"], [composed, decomposed], ["STRASSE", "straße"]]
    assert similar_names(names) == expected
    assert similar_names(["rose", "roses", "daisy"]) == []
