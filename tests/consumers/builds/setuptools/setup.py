from setuptools import Extension, setup

setup(name="game", version="1", ext_modules=[Extension("game", ["game.c", "ikcp.c"])])
