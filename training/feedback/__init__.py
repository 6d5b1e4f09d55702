"""Learning from slates: joins outcomes, corrects position bias, fits and judges. See docs/feedback.md."""
