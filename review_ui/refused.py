"""The error of a request that the review app rejects."""


class Refused(Exception):
    """A rejected request: an HTTP status and one sentence."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence
