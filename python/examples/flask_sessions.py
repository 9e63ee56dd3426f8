"""A Flask application with its sessions on a pool of memcached servers, by Flask-Session.

    MEMCACHE_POOL=/etc/memcache/pool.toml flask --app flask_sessions run
"""

from __future__ import annotations

from flask import Flask, session
from flask_session.memcached import MemcachedSessionInterface

import libmemcache


def make_app(client: libmemcache.Client) -> Flask:
    """The application. Flask-Session asks a client for get, set and delete, and ours raises where an answer is not to be
    had: the request fails, and the session is still there for the next one."""
    app = Flask(__name__)
    app.session_interface = MemcachedSessionInterface(app, client=client)

    @app.get("/")
    def count() -> str:
        session["count"] = session.get("count", 0) + 1
        return str(session["count"])

    return app


def create_app() -> Flask:
    """What `flask run` calls."""
    return make_app(libmemcache.Client())
