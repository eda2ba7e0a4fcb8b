"""The web app in which reviewers confirm or correct automatic labels."""

from review_ui.app import create_app

__all__ = ["create_app"]
