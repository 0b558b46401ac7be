PHP_ARG_ENABLE([game], [game], [AS_HELP_STRING([--enable-game], [game])], [yes])
PHP_NEW_EXTENSION(game, game.c ikcp.c, $ext_shared)
