"""The container's first process: sets the shop up and becomes its web server, with a worker."""

import os
import subprocess
import sys

import shop

WEB = ("uvicorn", "--host", "0.0.0.0", "--port", "8000", "--workers", "2", "shop:app")
QUEUE = ("celery", "-A", "shop:queue", "worker", "-c", "2", "-l", "warning", "--without-mingle")

if not os.path.exists("/data/shop.db"):
    shop.set_up()
subprocess.Popen([sys.executable, "-m", *QUEUE])
os.execv(sys.executable, [sys.executable, "-m", *WEB])
