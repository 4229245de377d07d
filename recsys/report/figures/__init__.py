"""Figures as inline SVG: numbers in, text out."""
