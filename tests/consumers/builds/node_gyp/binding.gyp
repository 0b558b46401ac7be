{"targets": [{"target_name": "game", "sources": ["game.c", "ikcp.c"]}]}
