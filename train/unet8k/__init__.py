"""The seed's model: a U-Net over 128 x 128 decibels of 8 kHz sound, trained as the seed was and as well as it gets."""
