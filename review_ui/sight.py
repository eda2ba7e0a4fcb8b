"""Who has seen the suggestion of which clip, also after a restart: a later answer to it is not blind."""

from collections.abc import Iterable

from review_ui.board import Board
from review_ui.refused import Refused
from review_ui.store import DecisionLog


class Sight:
    """What users may see of clips, and the record of what they have seen."""

    def __init__(self, board: Board, store: DecisionLog) -> None:
        """Restore the record on a board to which all decisions have been applied."""
        self._board = board
        self._store = store
        self._stored: set[tuple[int, str]] = set()
        for clip_id, name in store.informed():
            row = board.clips.row.get(clip_id)
            if row is not None and row not in board.reviewer(name).answered:
                board.reviewer(name).informed.add(row)

    def inform(self, name: str, rows: Iterable[int]) -> None:
        """Record that the user knows the suggestions of these clips, so that later answers to them are not blind."""
        known = list(rows)
        self._board.reviewer(name).informed.update(known)
        new = [row for row in known if (row, name) not in self._stored]
        if new:
            self._stored.update((row, name) for row in new)
            self._store.put_informed([(self._board.clips.ids[row], name) for row in new])

    def shows(self, name: str, row: int, *, adjudicator: bool) -> bool:
        """Return whether the user may see the clip's suggestion and evidence; record that it was shown."""
        visible, clip_id = self._board.may_see(name, row, adjudicator=adjudicator), self._board.clips.ids[row]
        begun = self._board.ledger.pending(clip_id, name) is not None
        # A reviewer to whom an answered clip was dealt again may still answer after leaving it.
        done = name in self._board.voters(row) and self._board.hands.right(name, row) is None
        if visible and not (begun or done):
            self.inform(name, [row])
        return visible

    def demand(self, name: str, row: int, *, adjudicator: bool) -> None:
        """Check that the user may see the clip's scores and evidence.

        Raises:
            Refused: the user must answer first.
        """
        if not self.shows(name, row, adjudicator=adjudicator):
            raise Refused(403, "scores, traces and images of this clip are available after your first answer to it")
