cp "$ROOT/packages/python/test.py" .
venv/bin/python test.py
