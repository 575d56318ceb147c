"""The WSGI entry that Granian loads."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "llmcost.settings")
application = get_wsgi_application()
