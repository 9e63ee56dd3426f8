"""A Django site in one file, whose sessions are on a pool of memcached servers; each request counts in its own.

    MEMCACHE_POOL=/etc/memcache/pool.toml python django_site.py 127.0.0.1:8000

It serves with two processes of as many threads as there are requests: to be tried, not to be deployed. With a real
server it is `gunicorn --chdir examples django_site:application`.
"""

from __future__ import annotations

import os
import socket
import sys
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse
from django.urls import path

settings.configure(
    SECRET_KEY=os.environ.get("SECRET_KEY", "only to be tried"),
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    MIDDLEWARE=["django.contrib.sessions.middleware.SessionMiddleware"],
    CACHES={"default": {"BACKEND": "libmemcache.django.Cache", "OPTIONS": {"pool": os.environ["MEMCACHE_POOL"]}}},
    SESSION_ENGINE="libmemcache.django",
)


def count(request: HttpRequest) -> HttpResponse:
    """How often this session was here, this time included."""
    request.session["count"] = request.session.get("count", 0) + 1
    return HttpResponse(str(request.session["count"]))


urlpatterns = [path("", count)]
application = get_wsgi_application()


class Quiet(WSGIRequestHandler):
    """It does not write down every request."""

    def log_message(self, format: str, *args: object) -> None:
        pass


class Server(ThreadingMixIn, WSGIServer):
    """A thread for every request."""

    daemon_threads = True
    request_queue_size = 128


def serve(host: str, port: int, processes: int = 2) -> None:
    """Serves until it is killed."""
    server = Server((host, port), Quiet)
    server.set_app(application)
    # Connections that another process took: accept has nothing, and must not wait.
    server.socket.setblocking(False)
    for _ in range(processes - 1):
        if os.fork() == 0:
            break
    server.serve_forever(poll_interval=60)


if __name__ == "__main__":
    host, _, port = sys.argv[1].rpartition(":")
    socket.setdefaulttimeout(60)
    serve(host, int(port))
