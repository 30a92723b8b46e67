"""The Celery application: broker and results are the Redis of the OpenRelik installation."""

import os

from celery import Celery

REDIS_URL = os.getenv("REDIS_URL") or "redis://localhost:6379/0"
celery = Celery(broker=REDIS_URL, backend=REDIS_URL, include=["src.tasks"])
