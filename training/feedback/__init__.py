"""What readers did with slates: joined, freed of position bias, learned from. docs/feedback.md has the picture."""
