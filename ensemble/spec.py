"""What a competition asks: files, columns, classes, metric, submission."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Frozen(BaseModel):
    """A record that is read from outside: frozen, and every key must be known."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Download(Frozen):
    """A file that anybody may fetch, and what it must turn out to be.

    `checksum` is empty where the publisher gives none; then only the size is compared.
    """

    url: str
    file: str
    n_bytes: int
    checksum: str = Field(
        "",
        pattern=r"^([a-z0-9_]+:[0-9a-fA-F]+)?$",
        description="sha256:…, adler32:… or another algorithm of hashlib",
    )


class Competition(Frozen):
    """What is asked, as far as it can be said without code.

    What needs code is named `module:function` and found in the competition's folder
    (`simulate`, `prepare`).
    """

    name: str
    title: str
    task: Literal["binary"]
    metric: str = Field(description="the score that decides, see `ensemble.metrics`")
    url: str = ""

    train_file: str = "train.csv"
    test_file: str = "test.csv"
    sample_file: str = "sample_submission.csv"
    solution_file: str = "solution.csv"

    id: str
    target: str
    classes: tuple[str, ...] = Field(description="labels; the last is the positive one")
    weight: str | None = None
    features: tuple[str, ...] = Field(description="raw feature columns, all numbers")
    missing: tuple[float, ...] = Field((), description="numbers that mean 'no value'")
    class_totals: tuple[float, ...] | None = Field(
        None, description="weight of each class in the whole, for scores on parts"
    )
    weight_strata: tuple[int, ...] | None = Field(
        None, description="for each class, how many strata its weights fall into"
    )

    submission: dict[str, Literal["id", "rank", "class"]] = Field(
        description="column of the submission -> what stands in it, in file order"
    )

    simulate: str | None = Field(
        None,
        description="writes made-up files into a folder, where there are no others",
    )
    prepare: str | None = Field(
        None, description="turns the downloaded file into the competition's files"
    )
    download: Download | None = None
