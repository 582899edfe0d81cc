"""Images for every method alike: same split, same order, same augmentation, at the speed of the machine."""
