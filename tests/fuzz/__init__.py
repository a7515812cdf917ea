"""What strangers may write, in files and on screens: drawn at random, against what must hold for all of it."""
