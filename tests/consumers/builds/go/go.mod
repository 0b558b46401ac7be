module game
