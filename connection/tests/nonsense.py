#!/usr/bin/env python3
"""Answers each packet to a UDP port with what is no packet of KCP, from a second on: nonsense.py PORT"""

import socket
import sys
import time

time.sleep(1)
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("127.0.0.1", int(sys.argv[1])))
while True:
    server.sendto(b"nonsense", server.recvfrom(2048)[1])
