from components.image_example_gen.listing import (
    Listing,
    has_listing,
    listing_path,
    read_listing,
    write_listing,
)
from components.image_example_gen.sources.base import ImageReference

LISTING = Listing(
    ("c0", "ç1"),
    [
        ImageReference("c0/\udce9\n.jpg", 0, "/data/c0/\udce9\n.jpg", 0, "", "train", "group"),
        ImageReference("ç1/1.jpg", 1, "/data/ç1/1.jpg", 9, "a" * 64),
    ],
)


def test_a_listing_is_read_as_it_was_written(tmp_path):
    """The listing has a file name that is not UTF-8 and contains a line break."""
    path = listing_path(str(tmp_path), "fingerprint")
    assert not has_listing(path)
    assert read_listing(path) is None
    write_listing(path, LISTING)
    assert has_listing(path)
    assert read_listing(path) == LISTING


def test_listings_of_earlier_data_are_removed(tmp_path):
    paths = [listing_path(str(tmp_path), fingerprint) for fingerprint in ("one", "two")]
    for path in paths:
        write_listing(path, LISTING)
    assert [has_listing(path) for path in paths] == [False, True]


def test_a_damaged_listing_counts_as_none(tmp_path, caplog):
    path = tmp_path / "listing.jsonl"
    path.write_text('["c0"]\n["c0/1.jpg", 0')
    assert read_listing(str(path)) is None
    assert f"{path} is damaged" in caplog.text
    assert "the images are listed again" in caplog.text
