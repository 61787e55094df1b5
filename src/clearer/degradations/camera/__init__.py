"""Camera noise: sensor, demosaicing, color, tone curve and in-camera processing."""
