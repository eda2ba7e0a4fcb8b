"""The reviewers' web app: people confirm or correct automatic labels in a browser."""

from review_ui.app import create_app

__all__ = ["create_app"]
