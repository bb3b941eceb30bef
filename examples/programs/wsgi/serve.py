"""waitress has no option for a descriptor; its function has."""

import socket

from app import application
from waitress import serve

serve(application, sockets=[socket.socket(fileno=3)])
